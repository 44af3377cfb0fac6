import { Button, TextInput } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useState, type FormEvent } from "react";
import { answer, client } from "../api/client";
import { ApiError } from "../api/errors";
import { keys } from "../api/keys";
import { useMe } from "../api/queries";
import type { ScheduleOut } from "../api/schema";
import { confirm } from "../components/Confirm";
import { ErrorNote } from "../components/ErrorNote";
import { useFieldErrors } from "../components/form";
import { Icon } from "../components/Icon";
import { Loading } from "../components/Loading";
import { Card, Page } from "../components/Page";
import { toast } from "../components/toasts";
import { newKey } from "../lib/key";
import { useSearchParams } from "../lib/search";
import { bodyOf, draftOf, MORE, newDraft, targetOf, type Draft } from "./schedule-editor/draft";
import { Impact, useImpact } from "./schedule-editor/Impact";
import { MoreFields } from "./schedule-editor/MoreFields";
import { Preview, refusalOf, usePreview } from "./schedule-editor/Preview";
import { WhatFields } from "./schedule-editor/WhatFields";
import { WhenFields } from "./schedule-editor/WhenFields";
import classes from "./schedule-editor/editor.module.css";

const RULE = ["cron", "every", "at", "rules"];
const FIELDS = ["id", "jobType", "target", "args", "timezone", ...RULE, ...MORE];

/** A schedule is made or changed: presets first, then what it would do, before it is saved. */
export default function ScheduleEditor() {
  const { id } = useParams({ strict: false }) as { id?: string };
  const [params] = useSearchParams();
  const { data, error, refetch } = useQuery({ queryKey: keys.schedule(id ?? ""), enabled: id !== undefined, queryFn: ({ signal }) => answer(client.GET("/api/schedules/{id}", { params: { path: { id: id ?? "" } }, signal })) });
  if (id === undefined) return <Editor first={newDraft(params["type"] ?? "")} />;
  if (data) return <Editor key={id} first={draftOf(data)} kept={data} />;
  return <Page title={`Edit ${id}`} crumbs={[["/schedules", "Schedules"]]}>{error ? <ErrorNote error={error} retry={() => void refetch()} /> : <Loading />}</Page>;
}

function Editor({ first, kept: given }: { first: Draft; kept?: ScheduleOut }) {
  // What is edited stays what it was when the page was opened, whatever happens to it meanwhile.
  const [kept] = useState(given);
  const [draft, setDraft] = useState(first);
  const { may } = useMe();
  const cache = useQueryClient();
  const navigate = useNavigate();
  const form = useFieldErrors(FIELDS);
  const set = (part: Partial<Draft>) => setDraft((old) => ({ ...old, ...part }));
  const id = kept?.id ?? draft.id.trim();
  const preview = usePreview(draft.when, draft.timezone, id);
  const impact = useImpact(id, bodyOf(draft, kept), may("putSchedule") && isWhole(draft));
  const put = (takeOver: boolean) => answer(client.PUT("/api/schedules/{id}", { params: { path: { id } }, body: { ...bodyOf(draft, kept), takeOver } }));
  const save = async (event: FormEvent) => {
    event.preventDefault();
    const saved = await form.send(() => put(false).catch((error: unknown) => takenOver(error, id, () => put(true))));
    if (!saved) return;
    for (const queryKey of [["schedules"], keys.schedule(id)]) void cache.invalidateQueries({ queryKey });
    toast(kept ? `${id} is saved` : `${id} is scheduled`);
    void navigate({ to: "/schedules/$id", params: { id } });
  };
  const tryIt = async () => {
    const target = targetOf(draft);
    const body = { ...(target ? { target } : { jobType: draft.jobType }), ...("args" in bodyOf(draft) ? { args: bodyOf(draft).args } : {}), ...(draft.more.timeout ? { timeout: draft.more.timeout } : {}) };
    const made = await form.send(() => answer(client.POST("/api/jobs", { params: { header: { "Idempotency-Key": newKey() } }, body: body as never })));
    if (made) void navigate({ to: "/jobs/$id", params: { id: made.id } });
  };
  const ruleError = refusalOf(preview.error, "rule") ?? RULE.map(form.error).find(Boolean);
  return (
    <Page title={kept ? `Edit ${kept.id}` : "New schedule"} crumbs={[["/schedules", "Schedules"]]}>
      <form className={classes.layout} onSubmit={(event) => void save(event)}>
        <div className={`stack ${classes.fields}`}>
          <Card title="What">
            <div className="stack">
              {!kept && <TextInput label="Name" description="Letters, digits and . _ : -" placeholder="nightly-report" required data-autofocus spellCheck={false} value={draft.id} error={form.error("id")} onChange={(event) => set({ id: event.currentTarget.value })} />}
              <WhatFields draft={draft} set={set} error={form.error} />
            </div>
          </Card>
          <Card title="When"><WhenFields when={draft.when} timezone={draft.timezone} set={(when) => set({ when })} setZone={(timezone) => set({ timezone })} error={ruleError} zoneError={refusalOf(preview.error, "timezone") ?? form.error("timezone")} /></Card>
          <Card title="How"><MoreFields more={draft.more} set={(part) => set({ more: { ...draft.more, ...part } })} error={form.error} /></Card>
          <div className={classes.end}>
            <Button type="submit" loading={form.busy} disabled={!may("putSchedule")} leftSection={<Icon name="save" size={16} />}>{kept ? "Save" : "Make the schedule"}</Button>
            <Button variant="default" disabled={form.busy || !isWhole(draft) || !may(draft.what === "type" ? "enqueueJob" : "putSchedule")} leftSection={<Icon name="play" size={15} />} onClick={() => void tryIt()}>Try it now</Button>
          </div>
        </div>
        <aside className={classes.side} aria-label="What it would do">
          <Card title="Next runs"><Preview found={preview} timezone={draft.timezone} /></Card>
          <Impact found={impact} isNew={!kept} />
        </aside>
      </form>
    </Page>
  );
}

/** Whether what runs is said. */
const isWhole = (draft: Draft): boolean => Boolean({ type: draft.jobType, command: draft.shell.trim(), http: draft.url.trim(), other: draft.target.trim() }[draft.what]);

/** Ask whether the schedule of another owner shall be taken over, and do it. */
async function takenOver<T>(error: unknown, id: string, again: () => Promise<T>): Promise<T> {
  if (!(error instanceof ApiError) || error.code !== "owned") throw error;
  if (!(await confirm({ title: `Take ${id} over?`, verb: "Take over and save", children: `${error.message}. From then on it is edited here, and its code or file leaves it alone.` }))) throw error;
  return again();
}
