import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { answer, client } from "../../api/client";
import { keys } from "../../api/keys";
import { Card } from "../../components/Page";
import { Strip, type StripCell } from "../../components/Strip";
import { address } from "../../lib/place";

const LAST = 10;

/** The last runs of the same type, this one among them when it is one of them. */
export function Siblings({ type }: { type: string }) {
  const query = { type, limit: LAST };
  const { data } = useQuery({ queryKey: keys.jobs(query), queryFn: ({ signal }) => answer(client.GET("/api/jobs", { params: { query }, signal })) });
  const cells = data?.jobs.map((one): StripCell => ({ key: one.id, status: one.status, at: one.startedAt ?? one.createdAt, ms: one.durationMs, href: address(`/jobs/${one.id}`) })).reverse();
  return (
    <Card title="Last of this type" actions={<Link to="/jobs" search={{ type }} className="small">All</Link>}>
      <Strip cells={cells ?? []} size={LAST} label={`Last runs of ${type}`} />
    </Card>
  );
}
