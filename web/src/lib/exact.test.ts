import { expect, test } from "vitest";
import { exactValue, jsonText, parseExact } from "./exact";

const can = "rawJSON" in JSON;

test.runIf(can)("every digit of what users gave is kept", () => {
  const text = '{"args":{"big":123456789012345678901234567890,"part":1.10,"small":1e400},"total":12}';
  const value = parseExact(text) as { args: unknown; total: number };
  expect(jsonText(value.args, 0)).toBe('{"big":123456789012345678901234567890,"part":1.10,"small":1e400}');
  expect(value.total + 1).toBe(13);
});

test("numbers of the service's own stay numbers", () => {
  const value = parseExact('{"jobs":[{"lagMs":12.0,"args":{"id":9007199254740993}}]}') as { jobs: { lagMs: number }[] };
  expect(value.jobs[0]?.lagMs).toBe(12);
});

test("plain texts are parsed once and as ever", () => {
  expect(parseExact('{"at":"2026-11-21T17:00:00.000Z","id":"01a1ff24-04bc-75ca-81e9-b8ba70ba7401"}')).toEqual({
    at: "2026-11-21T17:00:00.000Z", id: "01a1ff24-04bc-75ca-81e9-b8ba70ba7401",
  });
  expect(() => parseExact("<html>")).toThrow();
});

test.runIf(can)("what a person types keeps its digits too", () => {
  expect(jsonText(exactValue('{"big":123456789012345678901234567890}'), 0)).toBe('{"big":123456789012345678901234567890}');
});

test("what is no single value is refused", () => {
  expect(() => exactValue('1},"x":{"y":2')).toThrow();
});
