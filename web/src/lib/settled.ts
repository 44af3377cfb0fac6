import { useDebouncedValue } from "@mantine/hooks";
import { useMemo } from "react";
import { jsonText } from "./exact";

/** A value that was the same for `wait` ms, by what it says: an equal one that is made anew with each drawing counts as the same. */
export function useSettled<T>(value: T, wait: number): T {
  const same = useMemo(() => value, [jsonText(value, 0)]);
  return useDebouncedValue(same, wait)[0];
}
