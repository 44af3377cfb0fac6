import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useMemo } from "react";

export type Params = Record<string, string>;

/** `?status=failed&q=a+b` and nothing cleverer: addresses that people read, type and share. */
export function parseSearch(text: string): Params {
  return Object.fromEntries(new URLSearchParams(text));
}

export function stringifySearch(search: Record<string, unknown>): string {
  const set = Object.entries(search).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const text = new URLSearchParams(set.map(([key, value]) => [key, String(value)])).toString();
  return text ? `?${text}` : "";
}

/** The query of the page's address as texts; setting replaces it all, without a new entry in the history unless asked. */
export function useSearchParams(): [Params, (next: Params, options?: { push?: boolean }) => void] {
  const search = useSearch({ strict: false }) as Params;
  const navigate = useNavigate();
  const text = stringifySearch(search);
  // The same object as long as it says the same, so that it can be a dependency.
  const params = useMemo(() => parseSearch(text), [text]);
  const set = useCallback((next: Params, options?: { push?: boolean }) => {
    void navigate({ to: ".", search: next as never, replace: !options?.push, resetScroll: false });
  }, [navigate]);
  return [params, set];
}
