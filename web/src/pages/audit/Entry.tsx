import type { AuditEntryOut } from "../../api/schema";
import { closeDialog, openDialog } from "../../components/dialog";
import { Json } from "../../components/Json";
import { Fact, Facts } from "../../components/Page";
import { Time } from "../../components/Time";
import { jsonText } from "../../lib/exact";
import { router } from "../../router";

/** Where the thing that was changed is shown, if anywhere. */
function placeOf(one: AuditEntryOut): string | null {
  const name = encodeURIComponent(one.name);
  const places: Record<string, string> = { job: `/jobs/${name}`, schedule: `/schedules/${name}`, queue: `/queues/${name}`, type: `/job-types/${name}`, check: `/checks/${name}`, monitor: "/monitors", channel: "/monitors", token: "/tokens", secret: "/settings" };
  return places[one.noun] ?? null;
}

/** Show one change: who, from where, and what is different. */
export function showEntry(one: AuditEntryOut): void {
  const place = placeOf(one);
  const id = openDialog({
    title: <span className="strong">{one.text}</span>,
    size: "lg",
    children: (
      <div className="stack">
        <Facts>
          <Fact name="When"><Time at={one.at} form="both" /></Fact>
          <Fact name="Who">{one.actor ?? "the service"}{one.role && <span className="dim"> ({one.role})</span>}</Fact>
          <Fact name="From">{[one.origin, one.client].filter(Boolean).join(" · ") || "–"}</Fact>
          <Fact name={one.noun}>{place ? <a href={router.buildLocation({ to: place }).href} onClick={(event) => { event.preventDefault(); closeDialog(id); void router.navigate({ to: place }); }}>{one.name}</a> : one.name}</Fact>
          {one.note && <Fact name="Why">{one.note}</Fact>}
        </Facts>
        <Difference before={one.before} after={one.after} />
      </div>
    ),
  });
}

/** The fields that are different, before and after. */
function Difference({ before, after }: { before: object | null; after: object | null }) {
  const was = (before ?? {}) as Record<string, unknown>;
  const is = (after ?? {}) as Record<string, unknown>;
  const fields = [...new Set([...Object.keys(was), ...Object.keys(is)])].filter((field) => jsonText(was[field]) !== jsonText(is[field]));
  if (!before && !after) return null;
  if (fields.length === 0) return <p className="dim small">Nothing in it is different.</p>;
  return (
    <div className="grid">
      {before && <section><h3>Before</h3><Json value={pick(was, fields)} label="before" /></section>}
      {after && <section><h3>After</h3><Json value={pick(is, fields)} label="after" /></section>}
    </div>
  );
}

const pick = (from: Record<string, unknown>, fields: readonly string[]) => Object.fromEntries(fields.filter((field) => field in from).map((field) => [field, from[field]]));
