import { Button, Group, SegmentedControl, Stack, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { answer, client } from "../../api/client";
import type { CheckOut } from "../../api/schema";
import { closeDialog, openDialog } from "../../components/dialog";
import { useFieldErrors } from "../../components/form";
import { toast } from "../../components/toasts";
import { viewerZone } from "../../lib/time";
import { router } from "../../router";

/** Ask what is expected of a job that runs elsewhere: a new one, or one anew. */
export function editCheck(one: CheckOut | null): void {
  const id = openDialog({ title: <span className="strong">{one ? `Edit ${one.id}` : "Add a check"}</span>, size: "lg", children: <Form one={one} close={() => closeDialog(id)} /> });
}

const FIELDS = ["id", "name", "every", "cron", "timezone", "grace", "longest", "tags", "note"] as const;
type Draft = Record<(typeof FIELDS)[number], string>;

const draftOf = (one: CheckOut | null): Draft => ({
  id: one?.id ?? "", name: one?.name ?? "", every: one?.every ?? "1d", cron: one?.cron ?? "30 2 * * *", timezone: one?.timezone ?? viewerZone,
  grace: one?.grace ?? "5m", longest: one?.longest ?? "", tags: one?.tags.join(", ") ?? "", note: one?.note ?? "",
});

function Form({ one, close }: { one: CheckOut | null; close: () => void }) {
  const cache = useQueryClient();
  const [draft, setDraft] = useState(() => draftOf(one));
  const [rule, setRule] = useState<"every" | "cron">(one?.cron ? "cron" : "every");
  const form = useFieldErrors(FIELDS);
  const send = async (event: FormEvent) => {
    event.preventDefault();
    const text = (name: keyof Draft) => draft[name].trim() || null;
    const body = { name: text("name"), [rule]: text(rule), timezone: text("timezone"), grace: text("grace"), longest: text("longest"), note: text("note"), tags: draft.tags.split(/[\s,]+/).filter(Boolean) };
    const said = await form.send(() => answer(client.PUT("/api/checks/{id}", { params: { path: { id: draft.id.trim() } }, body })));
    if (!said) return;
    toast(one ? `${said.id} is changed` : `${said.id} is expected from now on`);
    for (const root of ["checks", "check"]) void cache.invalidateQueries({ queryKey: [root] });
    close();
    if (!one) void router.navigate({ to: "/checks/$id", params: { id: said.id } });
  };
  const field = (name: keyof Draft, label: string, more: { description?: string; placeholder?: string; required?: boolean; first?: boolean } = {}) => {
    const { first, ...rest } = more;
    return <TextInput label={label} {...rest} spellCheck={false} {...(first ? { "data-autofocus": true } : {})} value={draft[name]} error={form.error(name)} onChange={(event) => setDraft({ ...draft, [name]: event.currentTarget.value })} />;
  };
  return (
    <form onSubmit={(event) => void send(event)}>
      <Stack gap="md">
        {!one && field("id", "Id", { description: "How it is called in addresses and commands.", placeholder: "nightly-backup", required: true, first: true })}
        {field("name", "Name", { placeholder: "Nightly backup", first: one !== null })}
        <SegmentedControl aria-label="When it is expected" data={[{ value: "every", label: "Every so often" }, { value: "cron", label: "By a cron expression" }]} value={rule} onChange={(said) => setRule(said as "every" | "cron")} />
        <div className="grid">
          {rule === "every" ? field("every", "Every", { placeholder: "1d", required: true }) : <>{field("cron", "Cron", { placeholder: "30 2 * * *", required: true })}{field("timezone", "Time zone", { required: true })}</>}
          {field("grace", "Grace", { description: "How late it may be.", placeholder: "5m" })}
          {field("longest", "At most", { description: "How long a run may take.", placeholder: "2h" })}
        </div>
        <div className="grid">{field("tags", "Tags", { placeholder: "backup, eu" })}{field("note", "Note")}</div>
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>Cancel</Button>
          <Button type="submit" loading={form.busy}>{one ? "Save" : "Add it"}</Button>
        </Group>
      </Stack>
    </form>
  );
}
