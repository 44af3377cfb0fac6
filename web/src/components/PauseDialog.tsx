import { Button, Group, SegmentedControl, Stack, Text, Textarea } from "@mantine/core";
import { useState } from "react";
import { parseSpan } from "../lib/time";
import { closeDialog, openDialog } from "./dialog";

export type Pause = { note: string | null; until: string | null };

const lengths = (ends: string) => [
  { value: "", label: ends },
  { value: "30m", label: "30 min" },
  { value: "2h", label: "2 hours" },
  { value: "1d", label: "1 day" },
];

/** Ask why something is to be paused and for how long, where it `ends`; null when it shall go on. */
export function askPause(title: string, what: string, verb = "Pause", ends: string | null = "Until resumed"): Promise<Pause | null> {
  return new Promise((resolve) => {
    let answered = false;
    const close = (said: Pause | null) => { answered = true; closeDialog(id); resolve(said); };
    const id = openDialog({
      title: <span className="strong">{title}</span>,
      onClose: () => { if (!answered) resolve(null); },
      children: <PauseForm what={what} verb={verb} ends={ends} done={close} />,
    });
  });
}

/** The instant that a length ends at, from now on. */
function instantOf(length: string): string | null {
  const span = parseSpan(length);
  return span === null ? null : new Date(Date.now() + span).toISOString();
}

function PauseForm({ what, verb, ends, done }: { what: string; verb: string; ends: string | null; done: (said: Pause | null) => void }) {
  const [note, setNote] = useState("");
  const [until, setUntil] = useState("");
  return (
    <form onSubmit={(event) => { event.preventDefault(); done({ note: note.trim() || null, until: instantOf(until) }); }}>
      <Stack gap="md">
        <Text size="sm">{what}</Text>
        <Textarea label="Why" description="Everyone who looks sees it." placeholder="the mail server is ill" autosize minRows={2} maxLength={1000} data-autofocus value={note} onChange={(event) => setNote(event.currentTarget.value)} />
        {ends !== null && <SegmentedControl aria-label="For how long" fullWidth size="xs" data={lengths(ends)} value={until} onChange={setUntil} />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={() => done(null)}>Cancel</Button>
          <Button type="submit">{verb}</Button>
        </Group>
      </Stack>
    </form>
  );
}
