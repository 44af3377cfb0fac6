import { Button, Group, Stack, Switch, TextInput } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { answer, client } from "../../api/client";
import { keys } from "../../api/keys";
import type { StatusPageOut } from "../../api/schema";
import { closeDialog, openDialog } from "../../components/dialog";
import { ErrorNote } from "../../components/ErrorNote";
import { useFieldErrors } from "../../components/form";
import { toast } from "../../components/toasts";
import { useSettled } from "../../lib/settled";
import { router } from "../../router";
import { asked } from "./questions";
import classes from "./monitors.module.css";

/** Ask what anybody may see of a tag: a new page, or one anew. */
export function editStatusPage(one: StatusPageOut | null): void {
  const id = openDialog({ title: <span className="strong">{one ? `Status page of ${one.tag}` : "Add a status page"}</span>, size: "lg", children: <Form one={one} close={() => closeDialog(id)} /> });
}

type Draft = { tag: string; title: string; slug: string; page: boolean; badge: boolean };
const draftOf = (one: StatusPageOut | null): Draft => ({ tag: one?.tag ?? "", title: one?.title ?? "", slug: one?.slug ?? "", page: one?.page ?? true, badge: one?.badge ?? false });

function Form({ one, close }: { one: StatusPageOut | null; close: () => void }) {
  const cache = useQueryClient();
  const [draft, setDraft] = useState(() => draftOf(one));
  const [names, setNames] = useState<Record<string, string>>(() => one?.names ?? {});
  const form = useFieldErrors(["tag", "title", "slug", "names"]);
  const set = (part: Partial<Draft>) => setDraft((old) => ({ ...old, ...part }));
  const send = async (event: FormEvent) => {
    event.preventDefault();
    const name = draft.tag.trim();
    const body = { page: draft.page, badge: draft.badge, names: Object.fromEntries(Object.entries(names).filter(([, text]) => text.trim() !== "")), ...(draft.title.trim() ? { title: draft.title.trim() } : {}), ...(draft.slug.trim() ? { slug: draft.slug.trim() } : {}) };
    const said = await form.send(() => answer(client.PUT("/api/status-pages/{name}", { params: { path: { name } }, body })));
    if (!said) return;
    toast(said.page || said.badge ? `${said.title} is shown to whoever has its address` : `Nothing of ${said.tag} is shown`);
    void cache.invalidateQueries({ queryKey: keys.statusPages() });
    close();
    if (!one) void router.navigate({ to: "/monitors", search: { show: "pages" } as never });
  };
  return (
    <form onSubmit={(event) => void send(event)}>
      <Stack gap="md">
        {!one && <TextInput label="Tag" description="Schedules and checks that have it are on the page." placeholder="customers" required spellCheck={false} data-autofocus value={draft.tag} error={form.error("tag")} onChange={(event) => set({ tag: event.currentTarget.value })} />}
        <div className="grid">
          <TextInput label="Title" placeholder={draft.tag || "Nightly work"} value={draft.title} error={form.error("title")} {...(one ? { "data-autofocus": true } : {})} onChange={(event) => set({ title: event.currentTarget.value })} />
          <TextInput label="Last part of its address" description="Nobody guesses the one that is made when left empty." placeholder="acme-jobs" spellCheck={false} value={draft.slug} error={form.error("slug")} onChange={(event) => set({ slug: event.currentTarget.value })} />
        </div>
        <Group gap="xl">
          <Switch label="Show the page" checked={draft.page} onChange={(event) => set({ page: event.currentTarget.checked })} />
          <Switch label="Show the badge" checked={draft.badge} onChange={(event) => set({ badge: event.currentTarget.checked })} />
        </Group>
        <Names tag={draft.tag.trim()} names={names} set={setNames} error={form.error("names")} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>Cancel</Button>
          <Button type="submit" loading={form.busy}>{one ? "Save" : "Add it"}</Button>
        </Group>
      </Stack>
    </form>
  );
}

/** What has the tag, and what each is called on the page: its id is not for everybody. */
function Names({ tag, names, set, error }: { tag: string; names: Record<string, string>; set: (names: Record<string, string>) => void; error: string | undefined }) {
  const settled = useSettled(tag, 300);
  const { data, error: refused } = useQuery({ ...asked.tagged(settled), enabled: settled !== "" });
  if (settled === "") return null;
  if (refused) return <ErrorNote error={refused} />;
  const found = data ?? [];
  const others = Object.keys(names).filter((key) => !found.some((one) => one.key === key)).map((key) => ({ key, name: key }));
  return (
    <fieldset className={classes.names}>
      <legend className="small strong">What is on it, and what it is called there</legend>
      {data && found.length === 0 && <p className="dim small" style={{ margin: 0 }}>Nothing has this tag yet.</p>}
      {[...found, ...others].map((one) => <TextInput key={one.key} size="xs" label={one.key} placeholder={one.name} value={names[one.key] ?? ""} onChange={(event) => set({ ...names, [one.key]: event.currentTarget.value })} />)}
      {error && <p className={classes.bad} role="alert" style={{ margin: 0 }}>{error}</p>}
    </fieldset>
  );
}
