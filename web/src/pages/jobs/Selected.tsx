import { Button } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useMe } from "../../api/queries";
import type { Filters } from "../../components/filters";
import { Icon, type IconName } from "../../components/Icon";
import { countText, plural } from "../../lib/time";
import { actOnAll, actOnSome, OPERATIONS, type Act, type Verb } from "./act";
import { askPriority, askQueue } from "./askFor";
import classes from "./Selected.module.css";

const VERBS: readonly { verb: Verb; title: string; icon: IconName }[] = [
  { verb: "retry", title: "Retry", icon: "retry" },
  { verb: "cancel", title: "Cancel", icon: "stop" },
  { verb: "move", title: "Move", icon: "queues" },
  { verb: "reprioritise", title: "Priority", icon: "bolt" },
  { verb: "delete", title: "Delete", icon: "trash" },
];

type Props = {
  ids: ReadonlySet<string>;
  filters: Filters;
  /** How many match the filters, where that is more than what is selected and there are filters. */
  matching: { total: number; isEstimate: boolean } | null;
  all: boolean;
  setAll: (all: boolean) => void;
  clear: () => void;
};

/** What is selected, and what can be done to it: some by their ids, or all that match. */
export function Selected({ ids, filters, matching, all, setAll, clear }: Props) {
  const cache = useQueryClient();
  const { may } = useMe();
  if (ids.size === 0) return null;
  const start = async (verb: Verb) => {
    const act = await completed(verb);
    if (!act) return;
    if (all) await actOnAll(cache, act, filters, clear);
    else await actOnSome(cache, act, [...ids], clear);
  };
  const about = matching && `${matching.isEstimate ? "about " : ""}${countText(matching.total)}`;
  return (
    <section className={classes.bar} aria-label="Selected jobs">
      <span className={classes.count} aria-live="polite">{all ? `All ${about ?? ""} that match` : plural(ids.size, "job")} selected</span>
      {matching && !all && <Button size="xs" variant="subtle" onClick={() => setAll(true)}>Select all {about} that match</Button>}
      <span className={classes.actions}>
        {VERBS.filter(({ verb }) => may(OPERATIONS[verb]) && (!all || may("actOnJobs"))).map(({ verb, title, icon }) => (
          <Button key={verb} size="xs" variant="default" leftSection={<Icon name={icon} size={14} />} onClick={() => void start(verb)}>{title}</Button>
        ))}
        <Button size="xs" variant="subtle" color="gray" onClick={clear}>Clear</Button>
      </span>
    </section>
  );
}

async function completed(verb: Verb): Promise<Act | null> {
  if (verb === "move") {
    const queue = await askQueue();
    return queue === null ? null : { verb, queue };
  }
  if (verb === "reprioritise") {
    const priority = await askPriority();
    return priority === null ? null : { verb, priority };
  }
  return { verb };
}
