import { Button } from "@mantine/core";
import { countText } from "../lib/time";
import { Icon } from "./Icon";

type Props = {
  shown: number;
  total?: number | null;
  isEstimate?: boolean;
  /** `nextCursor` of the answer; the ways that came before are in `trail`. */
  next: string | null | undefined;
  trail: readonly string[];
  onTrail: (trail: readonly string[]) => void;
  noun: string;
};

/** Pages by cursor: on, back, and to the start; how many there are as far as it is known. */
export function Pager({ shown, total, isEstimate, next, trail, onTrail, noun }: Props) {
  if (shown === 0 && trail.length === 0) return null;
  return (
    <nav className="row" aria-label={`Pages of ${noun}`} style={{ justifyContent: "space-between" }}>
      <span className="dim small">
        {total === undefined || total === null ? `${countText(shown)} ${noun} shown` : `${countText(shown)} of ${isEstimate ? "about " : ""}${countText(total)} ${noun}`}
        {trail.length > 0 && ` · page ${trail.length + 1}`}
      </span>
      {(trail.length > 0 || next) && (
        <span className="row">
          <Button size="xs" variant="default" disabled={trail.length === 0} onClick={() => onTrail([])}>Latest</Button>
          <Button size="xs" variant="default" disabled={trail.length === 0} onClick={() => onTrail(trail.slice(0, -1))} leftSection={<Icon name="left" size={14} />}>Back</Button>
          <Button size="xs" variant="default" disabled={!next} onClick={() => { if (next) onTrail([...trail, next]); }} rightSection={<Icon name="right" size={14} />}>Next</Button>
        </span>
      )}
    </nav>
  );
}
