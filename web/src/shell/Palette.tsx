import { createSpotlight, Spotlight, useSpotlight, type SpotlightActionGroupData } from "@mantine/spotlight";
import "../styles-late";
import "@mantine/spotlight/styles.layer.css";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useMemo, useState } from "react";
import { flushSync } from "react-dom";
import { useMe } from "../api/queries";
import { Icon } from "../components/Icon";
import { useWatched } from "../live/state";
import { actions, searches, type PaletteAction } from "./actions";
import { endAhead } from "./ahead";
import { PLACES } from "./places";
import { useSearches } from "./searches";

const ASK_AFTER_MS = 150;
const NAME = "Command palette";
const [spotlightStore, spotlight] = createSpotlight();

/** The command palette: places, what the page offers, and what is found by what is typed. Loaded when first opened. */
export default function Palette() {
  const navigate = useNavigate();
  const { can } = useMe();
  useSearches();
  const own = useWatched(actions);
  const [text, setText] = useState("");
  const [found, setFound] = useState<PaletteAction[]>([]);
  const { opened } = useSpotlight(spotlightStore);
  useEffect(() => spotlight.open(), []);
  useEffect(() => {
    if (!opened) return undefined;
    let frame = 0;
    const look = () => {
      // At once: a key that comes before the field shows what was typed ahead would take its place.
      if (document.activeElement?.getAttribute("aria-label") === NAME) {
        const ahead = endAhead();
        flushSync(() => setText((pasted) => pasted + ahead));
      } else frame = requestAnimationFrame(look);
    };
    frame = requestAnimationFrame(look);
    return () => cancelAnimationFrame(frame);
  }, [opened]);
  useEffect(() => {
    const typed = text.trim();
    if (typed.length < 2) { setFound([]); return undefined; }
    const stop = new AbortController();
    const timer = setTimeout(() => {
      void Promise.allSettled([...searches].map((search) => search(typed, stop.signal))).then((all) => {
        if (!stop.signal.aborted) setFound(all.flatMap((one) => (one.status === "fulfilled" ? one.value : [])));
      });
    }, ASK_AFTER_MS);
    return () => { stop.abort(); clearTimeout(timer); };
  }, [text]);

  const groups = useMemo((): SpotlightActionGroupData[] => {
    const places: PaletteAction[] = PLACES.filter((place) => !place.admin || can("admin")).map((place) => ({
      id: `go ${place.to}`, title: place.name, group: "Go to", icon: place.icon, hint: `g ${place.keys}`, run: () => void navigate({ to: place.to }),
    }));
    const typed = text.trim().toLowerCase();
    const isPlace = typed !== "" && places.some((one) => one.title.toLowerCase().startsWith(typed));
    const all = isPlace ? [...places, ...own, ...found] : [...own, ...places, ...found];
    return [...new Set(all.map((one) => one.group))].map((group) => ({
      group,
      actions: all.filter((one) => one.group === group).map((one) => ({
        id: one.id, label: one.title, description: one.hint, onClick: one.run, leftSection: <Icon name={one.icon ?? "right"} />,
        keywords: found.includes(one) ? [text] : [],
      })),
    }));
  }, [own, found, text, navigate, can]);
  useEffect(() => { if (text.trim()) keepMarked(); }, [groups, text]);

  return (
    <Spotlight
      store={spotlightStore} actions={groups} query={text} onQueryChange={setText} shortcut={null} scrollable maxHeight={420} highlightQuery nothingFound="Nothing found"
      searchProps={{ leftSection: <Icon name="search" />, placeholder: "Go to, do, or find…", "aria-label": NAME }}
    />
  );
}

/** What is found late may take the place of what was marked for Enter: the first is marked then. */
function keepMarked(): void {
  const shown = [...(document.getElementById(spotlightStore.getState().listId)?.querySelectorAll("[data-action]") ?? [])];
  const selected = Math.max(0, shown.findIndex((one) => one.hasAttribute("data-selected")));
  shown[selected]?.setAttribute("data-selected", "true");
  spotlightStore.updateState((state) => ({ ...state, selected }));
}

export const openPalette = (): void => spotlight.open();
