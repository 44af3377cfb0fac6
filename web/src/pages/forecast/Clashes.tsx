import { Link } from "@tanstack/react-router";
import type { ClashOut } from "../../api/schema";
import { Card } from "../../components/Page";
import { StatusBadge } from "../../components/StatusBadge";
import { Time } from "../../components/Time";
import { Told } from "../../components/Told";
import { countText, plural } from "../../lib/time";
import classes from "./forecast.module.css";
import { SpreadButton } from "./Spread";
import { CLASHES } from "./words";

const NAMED = 3;

/** What gets in the way of what, in the service's own words. */
export function Clashes({ clashes }: { clashes: readonly ClashOut[] }) {
  if (clashes.length === 0) return null;
  return (
    <Card title={`${countText(clashes.length)} to look at`}>
      <ul className={classes.clashes} aria-label="Clashes">{clashes.map((one, place) => <li key={`${one.kind} ${one.at} ${place}`}><Clash one={one} /></li>)}</ul>
    </Card>
  );
}

function Clash({ one }: { one: ClashOut }) {
  const look = CLASHES[one.kind];
  const more = one.schedules.length - NAMED;
  return (
    <>
      <span><StatusBadge status={look.tone === "bad" ? "error" : "warning"} label={look.word} tone={look.tone} /></span>
      <span>
        <Told text={one.text} />
        {one.schedules.length > 0 && <span className="inline dim small"> · {one.schedules.slice(0, NAMED).map((id, place) => <span key={id}>{place > 0 && ", "}<Link to="/schedules/$id" params={{ id }}>{id}</Link></span>)}{more > 0 && ` and ${plural(more, "other")}`}</span>}
      </span>
      <span className="row">
        <Time at={one.at} form="both" />
        {one.kind === "together" && <SpreadButton ids={one.schedules} />}
      </span>
    </>
  );
}
