import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { lazy, Suspense, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { useMe } from "../api/queries";
import { Icon } from "../components/Icon";
import { Loading } from "../components/Loading";
import { beginAhead, endAhead } from "./ahead";
import { Banner } from "./Banner";
import { Header } from "./Header";
import { PLACES, type Place } from "./places";
import { useShellKeys } from "./keys";
import classes from "./Shell.module.css";

const PlacesDrawer = lazy(() => import("./PlacesDrawer"));
const KeysHelp = lazy(() => import("./KeysHelp"));
const palette = () => import("./Palette");
const Palette = lazy(palette);
/** On a phone: what fits below; the rest is behind "More". */
const IN_REACH = 4;

export function Shell() {
  const [menu, setMenu] = useState<boolean | null>(null);
  const [help, setHelp] = useState<boolean | null>(null);
  const [paletteUsed, setPaletteUsed] = useState(false);
  const { can } = useMe();
  const places = PLACES.filter((place) => !place.admin || can("admin"));
  const openHelp = useCallback(() => setHelp(true), []);
  const openPalette = useCallback(() => {
    beginAhead();
    if (paletteUsed) void palette().then((loaded) => loaded.openPalette(), endAhead);
    else setPaletteUsed(true);
  }, [paletteUsed]);
  useShellKeys({ help: openHelp, palette: openPalette });
  useFocusOnArrival();
  const closeMenu = useCallback(() => setMenu(false), []);
  return (
    <div className={classes.shell}>
      <a className={classes.skip} href="#content">To the content</a>
      <aside className={classes.side}>
        <Brand />
        <nav aria-label="Places"><Places places={places} /></nav>
      </aside>
      <div className={classes.main}>
        <Header onPalette={openPalette} onHelp={openHelp} />
        <Banner />
        <main id="content" className={classes.content} tabIndex={-1}>
          <Suspense fallback={<Loading />}><Outlet /></Suspense>
        </main>
      </div>
      <nav className={classes.bar} aria-label="Main places">
        <Places places={places.slice(0, IN_REACH)} />
        <button type="button" className={classes.place} onClick={() => setMenu(true)}><Icon name="menu" /><span>More</span></button>
      </nav>
      <Suspense>
        {menu !== null && <PlacesDrawer opened={menu} onClose={closeMenu}><Brand /><nav aria-label="All places"><Places places={places} onGo={closeMenu} /></nav></PlacesDrawer>}
      </Suspense>
      <Suspense>{help !== null && <KeysHelp opened={help} onClose={() => setHelp(false)} />}</Suspense>
      <Suspense>{paletteUsed && <Palette />}</Suspense>
    </div>
  );
}

function Places({ places, onGo }: { places: readonly Place[]; onGo?: () => void }) {
  return (
    <ul className={classes.places}>
      {places.map((place) => (
        <li key={place.to}>
          <Link to={place.to} className={classes.place} activeOptions={{ exact: place.to === "/", includeSearch: false }} activeProps={{ "data-active": true, "aria-current": "page" }} {...(onGo ? { onClick: onGo } : {})}>
            <Icon name={place.icon} /><span>{place.name}</span>
          </Link>
        </li>
      ))}
    </ul>
  );
}

const Brand = () => <Link to="/" className={classes.brand} aria-label="Rota, overview"><Mark /> Rota</Link>;

/** A ring of due instants, and a hand. */
const Mark = () => (
  <svg width="26" height="26" viewBox="0 0 32 32" fill="none" aria-hidden="true">
    <circle cx="16" cy="16" r="12" stroke="var(--shell-mark)" strokeWidth="3" strokeDasharray="4.400 1.883" />
    <path d="M16 9v7l5 3" stroke="var(--shell-text)" strokeWidth="3" strokeLinecap="round" strokeLinejoin="round" />
  </svg>
);

/** After going elsewhere, the keyboard and the screen reader begin at the new title, unless somebody was quicker. */
function useFocusOnArrival(): void {
  const going = useRouterState({ select: (state) => state.location.pathname });
  const path = useRouterState({ select: (state) => state.resolvedLocation?.pathname });
  const before = useRef<string | undefined>(undefined);
  const left = useRef<Element | null>(null);
  useLayoutEffect(() => { left.current = document.activeElement; }, [going]);
  useEffect(() => {
    if (before.current !== undefined && path !== before.current) {
      requestAnimationFrame(() => {
        const now = document.activeElement;
        if (now !== left.current && now?.closest("#content, [role=dialog], [role=alert]")) return;
        document.querySelector<HTMLElement>("#content h1")?.focus({ preventScroll: true });
      });
    }
    before.current = path;
  }, [path]);
}
