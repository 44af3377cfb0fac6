import "../styles-late";
import { Kbd, Modal } from "@mantine/core";
import { useLateOpened } from "../lib/opened";
import { useWatched } from "../live/state";
import { actions } from "./actions";
import { PLACES } from "./places";
import classes from "./Shell.module.css";

/** What the keys do, those of the page that is shown too. */
export default function KeysHelp({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const isOpen = useLateOpened(opened);
  const own = useWatched(actions).filter((one) => one.shortcut);
  return (
    <Modal opened={isOpen} onClose={onClose} title={<span className="strong">Keys</span>} size="lg">
      <div className={classes.keys}>
        <Group title="Anywhere" keys={[["?", "This help"], ["Ctrl K", "Command palette"], ["/", "Filter the list"], ["Esc", "Close, or leave a field"]]} />
        <Group title="Go to" keys={PLACES.map((place) => [`g ${place.keys}`, place.name] as const)} />
        <Group title="In a list" keys={[["↓ j", "Next row"], ["↑ k", "Row before"], ["Enter", "Open"], ["Space", "Select"], ["Shift Space", "Select up to here"]]} />
        {own.length > 0 && <Group title="On this page" keys={own.map((one) => [one.shortcut ?? "", one.title] as const)} />}
      </div>
    </Modal>
  );
}

function Group({ title, keys }: { title: string; keys: readonly (readonly [string, string])[] }) {
  return (
    <section>
      <h3>{title}</h3>
      <dl>{keys.map(([key, what]) => <div key={key}><dt>{key.split(" ").map((one) => <Kbd key={one} size="xs">{one}</Kbd>)}</dt><dd>{what}</dd></div>)}</dl>
    </section>
  );
}
