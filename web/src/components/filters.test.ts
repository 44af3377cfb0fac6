import { expect, test } from "vitest";
import { filtersText, parseFilters } from "./filters";

const KNOWN = ["status", "type", "since", "args.*"];

test("text and filters are the same thing", () => {
  const text = 'status:failed type:"weekly mail" args.user:42 timed out';
  const filters = { status: "failed", type: "weekly mail", "args.user": "42", q: "timed out" };
  expect(parseFilters(text, KNOWN)).toEqual(filters);
  expect(filtersText(filters)).toBe(text);
});

test("what is no filter is searched for", () => {
  expect(parseFilters("http://x:80/a colour:red", KNOWN)).toEqual({ q: "http://x:80/a colour:red" });
  expect(parseFilters("  ", KNOWN)).toEqual({});
});

test("quotes within values come back", () => {
  const filters = { type: 'say "hi" \\ now' };
  expect(parseFilters(filtersText(filters), KNOWN)).toEqual(filters);
});
