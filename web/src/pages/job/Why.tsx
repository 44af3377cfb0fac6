import { useQuery } from "@tanstack/react-query";
import { answer, client } from "../../api/client";
import { keys } from "../../api/keys";
import type { JobDetail } from "../../api/schema";
import { Icon } from "../../components/Icon";
import { Time } from "../../components/Time";
import classes from "./Why.module.css";

const EVERY_MS = 5000;

/** What a job waits for, each cause by itself, asked again while it waits; nothing once it runs or has ended. */
export function Why({ job }: { job: JobDetail }) {
  const waits = job.status === "pending" || job.status === "scheduled";
  const { data } = useQuery({
    queryKey: [...keys.job(job.id), "why"], enabled: waits, refetchInterval: EVERY_MS, initialData: job.why, initialDataUpdatedAt: Date.now(),
    queryFn: ({ signal }) => answer(client.GET("/api/jobs/{id}/why", { params: { path: { id: job.id } }, signal })),
  });
  if (!waits) return null;
  const why = data;
  return (
    <div className={classes.why} role="status" aria-label="Why it waits">
      <Icon name="hourglass" size={16} />
      <div>
        {why.causes.length > 1 ? (
          <ul>{why.causes.map((one) => <li key={one.code + one.text}><Said text={one.text} until={one.until} /></li>)}</ul>
        ) : <Said text={why.text} until={why.until} />}
      </div>
    </div>
  );
}

function Said({ text, until }: { text: string; until: string | null }) {
  return <><bdi>{text.charAt(0).toUpperCase() + text.slice(1)}</bdi>{until && <span className="dim"> · until <Time at={until} form="both" /></span>}</>;
}
