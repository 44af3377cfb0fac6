import { Button } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMe } from "../../api/queries";
import type { AlertOut } from "../../api/schema";
import { ErrorNote } from "../../components/ErrorNote";
import { Icon } from "../../components/Icon";
import { StatusBadge } from "../../components/StatusBadge";
import { Time } from "../../components/Time";
import { Told } from "../../components/Told";
import { mute, unmute } from "./actions";
import { editMonitor } from "./Edit";
import { asked } from "./questions";
import { alertState, kindOf, Subject, times } from "./words";
import classes from "./monitors.module.css";

/** What is wrong now: told first, what is held back after it; one calm line where there is nothing. */
export function Now() {
  const { data, error, refetch } = useQuery(asked.open());
  if (error) return <ErrorNote error={error} retry={() => void refetch()} />;
  if (!data) return <div className={classes.calm} aria-busy="true">Looking …</div>;
  if (data.alerts.length === 0) return <div className={classes.calm}><Icon name="check" size={18} /> Nothing is wrong.</div>;
  const alerts = [...data.alerts].sort((a, b) => rank(a) - rank(b));
  return (
    <section className={classes.now} aria-label="Open alerts">
      <h2>{data.total === 1 ? "One thing is wrong" : `${data.total} things are wrong`}</h2>
      <ul>{alerts.map((one) => <li key={one.id}><Alert one={one} /></li>)}</ul>
    </section>
  );
}

const rank = (one: AlertOut): number => (one.heldBy ? 2 : one.severity === "error" ? 0 : 1);

function Alert({ one }: { one: AlertOut }) {
  const cache = useQueryClient();
  const { may } = useMe();
  return (
    <>
      <StatusBadge {...alertState(one)} />
      <div className={classes.text}>
        <Told text={one.text} />
        <div className="dim small inline">
          {kindOf(one.kind)}, <Subject kind={one.subject.kind} id={one.subject.id} /> · began <Time at={one.since} />
          {one.jobId && <> · <Link to="/jobs/$id" params={{ id: one.jobId }}>its job</Link></>}
          {" · "}{one.heldBy ? `not told: ${one.heldBy}` : one.tellings > 0 ? `told ${times(one.tellings)}` : "not told yet"}
        </div>
      </div>
      <span className={classes.acts}>
        {may("muteMonitor") && (one.heldBy === "muted"
          ? <Button size="xs" variant="default" leftSection={<Icon name="bell" size={14} />} onClick={() => void unmute(cache, one.monitorId)}>Unmute</Button>
          : <Button size="xs" variant="default" leftSection={<Icon name="moon" size={14} />} onClick={() => void mute(cache, one.monitorId)}>Mute</Button>)}
        <Button size="xs" variant="subtle" onClick={() => editMonitor(one.monitorId)}>{may("putMonitor") ? "Limits" : "About"}</Button>
      </span>
    </>
  );
}
