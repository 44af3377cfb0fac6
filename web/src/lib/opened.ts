import { useEffect, useRef, useState } from "react";
import { useSearchParams } from "./search";

/** Open the dialog of a page that is gone to with `?new=1`, once and where it may be. */
export function useOpened(may: boolean, open: () => void): void {
  const [params, setParams] = useSearchParams();
  const wanted = may && params["new"] === "1";
  const latest = useRef(params);
  latest.current = params;
  const now = useRef(open);
  now.current = open;
  useEffect(() => {
    if (!wanted) return;
    setParams(Object.fromEntries(Object.entries(latest.current).filter(([name]) => name !== "new")));
    now.current();
  }, [wanted, setParams]);
}

/** Whether a dialog that is loaded by its first opening is open: not at once, else its closing would not give the focus back. */
export function useLateOpened(opened: boolean): boolean {
  const [isOpen, setOpen] = useState(false);
  useEffect(() => setOpen(opened), [opened]);
  return isOpen;
}
