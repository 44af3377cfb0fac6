import { useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";
import { actions } from "./actions";
import { PLACES } from "./places";

const WAIT_MS = 1200;
const typing = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

type Doors = { help: () => void; palette: () => void };

/** Keys of every page: `g` and a letter goes, `/` filters, `?` helps, Ctrl-K opens the palette, and what pages add. */
export function useShellKeys({ help, palette }: Doors): void {
  const navigate = useNavigate();
  useEffect(() => {
    let wentAt = 0;
    const onKey = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") { event.preventDefault(); palette(); return; }
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event.target)) return;
      if (document.querySelector('[role="dialog"], [role="menu"]')) return;
      const going = Date.now() - wentAt < WAIT_MS;
      wentAt = 0;
      if (going) {
        const place = PLACES.find((one) => one.keys === event.key);
        if (place) { event.preventDefault(); void navigate({ to: place.to }); }
        return;
      }
      if (event.key === "g") { wentAt = Date.now(); return; }
      if (event.key === "?") { event.preventDefault(); help(); return; }
      if (event.key === "/") {
        const filter = document.querySelector<HTMLInputElement>("[data-filter]");
        if (filter) { event.preventDefault(); filter.focus(); filter.select(); }
        return;
      }
      const action = actions.get().find((one) => one.shortcut === event.key);
      if (action) { event.preventDefault(); action.run(); }
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [help, palette, navigate]);
}
