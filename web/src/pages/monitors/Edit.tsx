import { Button, Group, NumberInput, Stack, Switch, TextInput } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { answer, client } from "../../api/client";
import { useMe } from "../../api/queries";
import type { MonitorIn, MonitorOut } from "../../api/schema";
import { closeDialog, openDialog } from "../../components/dialog";
import { ErrorNote } from "../../components/ErrorNote";
import { useFieldErrors } from "../../components/form";
import { Loading } from "../../components/Loading";
import { Fact, Facts } from "../../components/Page";
import { StatusBadge } from "../../components/StatusBadge";
import { Time } from "../../components/Time";
import { toast } from "../../components/toasts";
import { viewerZone } from "../../lib/time";
import { changed, mute, reset, unmute } from "./actions";
import { asked } from "./questions";
import { kindOf, limitText, meaningOf, stateOf } from "./words";

/** Show one monitor, and let its limits be changed where that is allowed. */
export function editMonitor(id: string): void {
  const dialog = openDialog({ title: <span className="strong">{kindOf(id.split(":")[0] ?? "")}: {id.split(":").slice(2).join(":")}</span>, size: "lg", children: <Monitor id={id} close={() => closeDialog(dialog)} /> });
}

function Monitor({ id, close }: { id: string; close: () => void }) {
  const { data, error, refetch } = useQuery({ ...asked.monitor(id), staleTime: 0 });
  const { may } = useMe();
  if (error) return <ErrorNote error={error} retry={() => void refetch()} />;
  if (!data) return <Loading />;
  return (
    <Stack gap="md">
      <p className="small" style={{ margin: 0 }}>{meaningOf(data)}</p>
      <Facts>
        <Fact name="State"><StatusBadge {...stateOf(data)} /></Fact>
        {data.mute && <Fact name="Muted">{data.mute.by ? `by ${data.mute.by}` : ""}{data.mute.until && <> until <Time at={data.mute.until} form="both" /></>}{data.mute.note && <>: <bdi>{data.mute.note}</bdi></>}</Fact>}
        {!may("putMonitor") && <Fact name="Tells">{limitText(data)}</Fact>}
      </Facts>
      {may("putMonitor") && <Form key={data.version} one={data} close={close} />}
    </Stack>
  );
}

type Draft = { enabled: boolean; limit: string; count: number | ""; grace: string; realert: string; from: string; to: string; timezone: string; dependsOn: string; note: string };

const draftOf = (one: MonitorOut): Draft => ({
  enabled: one.enabled, limit: one.limit ?? "", count: one.count ?? "", grace: one.grace, realert: one.realert,
  from: one.quietHours?.from ?? "", to: one.quietHours?.to ?? "", timezone: one.quietHours?.timezone ?? viewerZone, dependsOn: one.dependsOn.join(" "), note: one.note ?? "",
});

/** Which fields of a monitor what is typed belongs to. */
const SAYS: Record<keyof Draft, keyof NonNullable<MonitorOut["said"]>> = {
  enabled: "enabled", limit: "limit", count: "count", grace: "grace", realert: "realert", from: "quietHours", to: "quietHours", timezone: "quietHours", dependsOn: "dependsOn", note: "note",
};

/** What is to be said: what is not as it was, and what somebody had said before of this very monitor; all else stays by default. */
function bodyOf(one: MonitorOut, was: Draft, is: Draft): MonitorIn {
  const names = (Object.keys(is) as (keyof Draft)[]).filter((name) => (one.said?.[SAYS[name]] ?? null) !== null || is[name] !== was[name]);
  const has = (...some: (keyof Draft)[]) => some.some((name) => names.includes(name));
  const quiet = is.from || is.to ? { from: is.from, to: is.to, timezone: is.timezone, days: one.quietHours?.days ?? [] } : null;
  return {
    ...(has("enabled") ? { enabled: is.enabled } : {}), ...(has("limit") ? { limit: is.limit.trim() || null } : {}), ...(has("count") ? { count: is.count === "" ? null : is.count } : {}),
    ...(has("grace") ? { grace: is.grace.trim() || null } : {}), ...(has("realert") ? { realert: is.realert.trim() || null } : {}), ...(has("from", "to", "timezone") ? { quietHours: quiet } : {}),
    ...(has("dependsOn") ? { dependsOn: is.dependsOn.split(/[\s,]+/).filter(Boolean) } : {}), ...(has("note") ? { note: is.note.trim() || null } : {}),
  };
}

function Form({ one, close }: { one: MonitorOut; close: () => void }) {
  const cache = useQueryClient();
  const { may } = useMe();
  const [was] = useState(() => draftOf(one));
  const [draft, setDraft] = useState(was);
  const form = useFieldErrors(["limit", "count", "grace", "realert", "quietHours", "from", "to", "timezone", "dependsOn", "note"]);
  const set = (part: Partial<Draft>) => setDraft((old) => ({ ...old, ...part }));
  const send = async (event: FormEvent) => {
    event.preventDefault();
    const said = await form.send(() => answer(client.PUT("/api/monitors/{id}", { params: { path: { id: one.id } }, body: bodyOf(one, was, draft) })));
    if (said) { toast("The monitor is changed"); changed(cache); close(); }
  };
  const text = (name: "limit" | "grace" | "realert" | "note" | "dependsOn" | "from" | "to" | "timezone", label: string, description?: string, placeholder?: string) => (
    <TextInput label={label} {...(description ? { description } : {})} {...(placeholder ? { placeholder } : {})} value={draft[name]} error={form.error(name)} onChange={(event) => set({ [name]: event.currentTarget.value })} />
  );
  return (
    <form onSubmit={(event) => void send(event)}>
      <Stack gap="md">
        <Switch label="On" checked={draft.enabled} onChange={(event) => set({ enabled: event.currentTarget.checked })} />
        <div className="grid">
          {text("limit", "Limit", "How long before something is wrong.", "30s, 5m, 2h")}
          {one.count !== null && <NumberInput label="Count" description="How many before something is wrong." min={1} allowDecimal={false} value={draft.count} error={form.error("count")} onChange={(said) => set({ count: typeof said === "number" ? said : "" })} />}
          {text("grace", "Grace", "How much longer before it is told.", "0s")}
          {text("realert", "Tell again after", "A duration, or never.", "4h")}
        </div>
        <div className="grid">
          {text("from", "Quiet from", undefined, "22:00")}
          {text("to", "to", undefined, "07:00")}
          {text("timezone", "Time zone")}
        </div>
        {text("dependsOn", "Tells nothing while these do", "Ids of monitors, with spaces between.", "backlog:queue:mail")}
        {text("note", "Note")}
        <Group justify="space-between" gap="xs">
          <Group gap="xs">
            {may("muteMonitor") && (one.mute
              ? <Button variant="default" onClick={() => { close(); void unmute(cache, one.mute?.monitor ?? one.id); }}>Unmute</Button>
              : <Button variant="default" onClick={() => { close(); void mute(cache, one.id); }}>Mute…</Button>)}
            {one.said && <Button variant="default" onClick={() => { close(); void reset(cache, one.id); }}>As by default</Button>}
          </Group>
          <Button type="submit" loading={form.busy}>Save</Button>
        </Group>
      </Stack>
    </form>
  );
}
