import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Batch } from "./batch";

beforeEach(() => { vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });

test("a hundred updates a second are five turns, the latest of each", () => {
  const given: [string, number][][] = [];
  const batch = new Batch<[string, number]>((items) => given.push(items), 200);
  for (let n = 0; n < 100; n++) {
    batch.add(`job ${n % 4}`, [`job ${n % 4}`, n]);
    vi.advanceTimersByTime(10);
  }
  expect(given).toHaveLength(5);
  expect(given.at(-1)?.map(([, n]) => n)).toEqual([96, 97, 98, 99]);
});
