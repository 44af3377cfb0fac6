import { Icon } from "./Icon";
import { lookOf, type Tone } from "./status";
import classes from "./StatusBadge.module.css";

type Props = { status: string; label?: string; tone?: Tone; title?: string };

/** A state with icon and word; `label` says more than the word: "Failed · 3 of 4". */
export function StatusBadge({ status, label, tone, title }: Props) {
  const look = lookOf(status);
  return (
    <span className={classes.badge} data-tone={tone ?? look.tone} data-status={status} title={title}>
      <Icon name={look.icon} size={13} />
      {label ?? look.word}
    </span>
  );
}
