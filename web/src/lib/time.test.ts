import { expect, test } from "vitest";
import { countText, durationText, parseSpan, relative, utcTime } from "./time";

test("durations are exact to a unit and never rounded up", () => {
  const said = [0, 0.4, 340, 999.4, 1000, 9999, 10_000, 59_999, 200_000, 3_600_000, 7_500_000, 86_400_000, 356_400_000, -1500].map(durationText);
  expect(said).toEqual(["0 ms", "< 1 ms", "340 ms", "999 ms", "1.0 s", "9.9 s", "10 s", "59 s", "3 min 20 s", "1 h", "2 h 5 min", "1 d", "4 d 3 h", "−1.5 s"]);
});

test("times are said from now", () => {
  const now = Date.parse("2026-11-21T12:00:00Z");
  const said = ["2026-11-21T12:00:00.900Z", "2026-11-21T11:59:48Z", "2026-11-21T12:04:59Z", "2026-11-19T12:00:00Z", "2020-11-21T12:00:00Z"];
  expect(said.map((at) => relative(at, now))).toEqual(["now", "12 s ago", "in 4 min", "2 d ago", "6 years ago"]);
  expect(relative("2026-11-21T12:00:01.900Z", now)).toBe("now");
  expect(["2026-11-21T12:00:02Z", "2026-11-21T13:20:59Z", "2026-11-22T17:59:00Z", "2026-12-01T12:00:00Z"].map((at) => relative(at, now))).toEqual(["in 2 s", "in 1 h 20 min", "in 1 d 5 h", "in 10 d"]);
  expect(utcTime("2026-11-21T12:00:00.000Z")).toBe("2026-11-21 12:00:00 UTC");
  expect(utcTime("2026-11-21T12:00:00.120Z")).toBe("2026-11-21 12:00:00.120 UTC");
});

test("spans and counts", () => {
  expect(["500ms", "30s", "5m", "2h", "7d", "1.5h", "5", "h"].map(parseSpan)).toEqual([500, 30_000, 300_000, 7_200_000, 604_800_000, 5_400_000, null, null]);
  expect([0, 9999, 10_000, 99_990, 123_456, 1_000_000, 12_345_678].map(countText)).toEqual(["0", "9,999", "10 k", "99.9 k", "123 k", "1 M", "12.3 M"]);
});
