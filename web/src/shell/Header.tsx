import { ActionIcon, Tooltip, useMantineColorScheme } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { queries, useMe } from "../api/queries";
import { Icon } from "../components/Icon";
import { lookOf } from "../components/status";
import { address } from "../lib/place";
import { useNow } from "../lib/now";
import { clockTime, durationText, longTime, utcTime, viewerZone } from "../lib/time";
import { accountedTo, connection, useWatched } from "../live/state";
import classes from "./Shell.module.css";

type Props = { onPalette: () => void; onHelp: () => void };

export function Header({ onPalette, onHelp }: Props) {
  return (
    <header className={classes.header}>
      <AccountedTo />
      <HealthDot />
      <span className={classes.spring} />
      <button type="button" className={classes.find} onClick={onPalette}><Icon name="search" size={15} /><span>Find or do…</span><kbd>Ctrl K</kbd></button>
      <Tooltip label="Keys (?)"><ActionIcon className={classes.wide} variant="subtle" color="gray" size="lg" aria-label="Keys" onClick={onHelp}><Icon name="keyboard" /></ActionIcon></Tooltip>
      <SchemeToggle />
      <User />
    </header>
  );
}

/** Up to when every due instant is accounted for: the promise of the service, on every page. */
function AccountedTo() {
  const at = useWatched(accountedTo);
  const now = useNow();
  const late = at ? now - Date.parse(at) : 0;
  return (
    <Tooltip label={at ? <>Every instant that was due up to then has run, waits, or says why not.<br />{longTime(at)}<br />{utcTime(at)}</> : "Not known yet"}>
      <span className={classes.accounted} tabIndex={0} data-late={late > 15_000 || undefined}>
        <span className={classes.accountedWords}>Accounted for up to</span> <b>{at ? clockTime(at) : "–"}</b>
        {late > 15_000 && <span> · {durationText(late)} behind</span>}
      </span>
    </Tooltip>
  );
}

const CONNECTION = { connecting: "Connecting", live: "Live", polling: "Asked each 5 s", broken: "No connection" } as const;

function HealthDot() {
  const { data } = useQuery(queries.health());
  const { state } = useWatched(connection);
  const status = state === "broken" ? "unreachable" : (data?.status ?? "starting");
  const look = state !== "broken" && !data ? { tone: "wait", word: "Looking" } : lookOf(status);
  const problems = (data as { problems?: string[] } | undefined)?.problems ?? [];
  return (
    <Tooltip label={<>{CONNECTION[state]}{problems.map((problem) => <span key={problem}><br />{problem}</span>)}</>}>
      <span className={classes.health} tabIndex={0} data-health={status} data-connection={state}>
        <span className={classes.dot} data-live={state === "live" || undefined} style={{ color: `var(--${look.tone})` }} />
        <span className={classes.healthWord}>{look.word}</span>
        <span className={`${classes.wide} dim`}>· {CONNECTION[state]}</span>
      </span>
    </Tooltip>
  );
}

const NEXT = { auto: "light", light: "dark", dark: "auto" } as const;
const SCHEMES = { auto: ["auto", "as the system"], light: ["sun", "light"], dark: ["moon", "dark"] } as const;

function SchemeToggle() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const [icon, name] = SCHEMES[colorScheme];
  return (
    <Tooltip label={`Colours: ${name}`}>
      <ActionIcon variant="subtle" color="gray" size="lg" aria-label={`Colours: ${name}. Change to ${SCHEMES[NEXT[colorScheme]][1]}`} onClick={() => setColorScheme(NEXT[colorScheme])}>
        <Icon name={icon} />
      </ActionIcon>
    </Tooltip>
  );
}

/** A popover of the browser's own: it closes by Escape and by a click elsewhere, and costs nothing. */
function User() {
  const { me } = useMe();
  return (
    <>
      <button type="button" className={classes.user} popoverTarget="user" aria-label={me ? `${me.subject}, ${me.role}` : "Who you are"}>
        <Icon name="user" /><span className={`${classes.wide} cut`}>{me?.subject}</span>
      </button>
      <div id="user" popover="auto" className={classes.userMenu}>
        <p><b>{me?.subject}</b><br />Role: {me?.role}<br />Times in {viewerZone}</p>
        <a href={address("/api/docs")}><Icon name="external" size={16} /> API reference</a>
        <form method="post" action={address("/logout")}><button type="submit"><Icon name="logout" size={16} /> Log out</button></form>
      </div>
    </>
  );
}
