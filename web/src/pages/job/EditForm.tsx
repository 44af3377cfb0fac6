import { Autocomplete, Button, Group, NumberInput, Stack, Textarea, TextInput } from "@mantine/core";
import { useQuery, type QueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { answer, client } from "../../api/client";
import { keys } from "../../api/keys";
import { queries } from "../../api/queries";
import type { JobDetail } from "../../api/schema";
import { closeDialog, openDialog } from "../../components/dialog";
import { useFieldErrors } from "../../components/form";
import { toast } from "../../components/toasts";
import { exactValue, jsonText } from "../../lib/exact";

/** Change a job that does not run; one that has ended runs again with what was changed. */
export function editJob(cache: QueryClient, job: JobDetail): void {
  const id = openDialog({ size: "lg", title: <span className="strong">{job.completedAt ? "Edit and retry" : "Edit this job"}</span>, children: <EditForm cache={cache} job={job} close={() => closeDialog(id)} /> });
}

function EditForm({ cache, job, close }: { cache: QueryClient; job: JobDetail; close: () => void }) {
  const before = jsonText(job.args);
  const { data } = useQuery(queries.queues());
  const [args, setArgs] = useState(before);
  const [queue, setQueue] = useState(job.queue);
  const [priority, setPriority] = useState<number | string>(job.priority);
  const [maxAttempts, setMaxAttempts] = useState<number | string>(job.maxAttempts);
  const [note, setNote] = useState("");
  const form = useFieldErrors(["args", "queue", "priority", "maxAttempts", "note"]);
  const [isBroken, setBroken] = useState(false);
  const send = async (event: FormEvent) => {
    event.preventDefault();
    const given = argsOf(args);
    setBroken(given === undefined);
    if (given === undefined) return;
    const body = {
      ...(args !== before ? { args: given } : {}),
      ...(queue !== job.queue ? { queue } : {}),
      ...(priority !== job.priority ? { priority } : {}),
      ...(maxAttempts !== job.maxAttempts ? { maxAttempts } : {}),
      ...(note.trim() ? { note: note.trim() } : {}),
      ...(job.completedAt ? { retry: true } : {}),
    };
    if (Object.keys(body).length === 0) { close(); return; }
    const said = await form.send(() => answer(client.PATCH("/api/jobs/{id}", { params: { path: { id: job.id } }, body: body as never })));
    if (!said) return;
    cache.setQueryData(keys.job(job.id), said);
    void cache.invalidateQueries({ queryKey: keys.jobs().slice(0, 1) });
    toast(job.completedAt ? "It runs again with what you changed" : "It is changed");
    close();
  };
  return (
    <form onSubmit={(event) => void send(event)}>
      <Stack gap="md">
        <Textarea label="Arguments" description="JSON; numbers keep their digits" autosize minRows={4} maxRows={16} spellCheck={false} data-autofocus classNames={{ input: "mono" }} value={args} error={isBroken ? "this is no JSON" : form.error("args")} onChange={(event) => setArgs(event.currentTarget.value)} />
        <Group grow align="start">
          <Autocomplete label="Queue" data={data?.queues.map((one) => one.name) ?? []} value={queue} error={form.error("queue")} onChange={setQueue} />
          <NumberInput label="Priority" allowDecimal={false} value={priority} error={form.error("priority")} onChange={setPriority} />
          <NumberInput label="Attempts at most" min={1} allowDecimal={false} value={maxAttempts} error={form.error("maxAttempts")} onChange={setMaxAttempts} />
        </Group>
        <TextInput label="Note" description="Why; it is kept in the audit." value={note} error={form.error("note")} onChange={(event) => setNote(event.currentTarget.value)} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>Cancel</Button>
          <Button type="submit" loading={form.busy}>{job.completedAt ? "Save and retry" : "Save"}</Button>
        </Group>
      </Stack>
    </form>
  );
}

/** The arguments of a text with all digits; undefined when it is no JSON. */
function argsOf(text: string): unknown {
  try { return exactValue(text); } catch { return undefined; }
}
