import { Autocomplete, Button, Group, NumberInput, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { queries } from "../../api/queries";
import { closeDialog, openDialog } from "../../components/dialog";

/** Ask for one value in a dialog; null when it is closed without. */
function ask<T>(title: string, form: (done: (said: T | null) => void) => ReactNode): Promise<T | null> {
  return new Promise((resolve) => {
    let answered = false;
    const done = (said: T | null) => { answered = true; closeDialog(id); resolve(said); };
    const id = openDialog({ title: <span className="strong">{title}</span>, onClose: () => { if (!answered) resolve(null); }, children: form(done) });
  });
}

export const askQueue = (): Promise<string | null> => ask<string>("Move to which queue?", (done) => <QueueForm done={done} />);
export const askPriority = (now?: number): Promise<number | null> => ask<number>("Which priority?", (done) => <PriorityForm done={done} now={now} />);

function QueueForm({ done }: { done: (said: string | null) => void }) {
  const { data } = useQuery(queries.queues());
  const [name, setName] = useState("");
  return (
    <form onSubmit={(event) => { event.preventDefault(); if (name.trim()) done(name.trim()); }}>
      <Stack gap="md">
        <Autocomplete label="Queue" description="A new name makes a new queue." data-autofocus required data={data?.queues.map((one) => one.name) ?? []} value={name} onChange={setName} />
        <Buttons done={done} />
      </Stack>
    </form>
  );
}

function PriorityForm({ done, now }: { done: (said: number | null) => void; now: number | undefined }) {
  const [priority, setPriority] = useState<number | "">(now ?? "");
  return (
    <form onSubmit={(event) => { event.preventDefault(); if (priority !== "") done(priority); }}>
      <Stack gap="md">
        <NumberInput label="Priority" description="The larger starts first." data-autofocus required allowDecimal={false} value={priority} onChange={(said) => setPriority(typeof said === "number" ? said : "")} />
        <Buttons done={done} />
      </Stack>
    </form>
  );
}

function Buttons({ done }: { done: (said: null) => void }) {
  return <Group justify="flex-end" gap="xs"><Button variant="default" onClick={() => done(null)}>Cancel</Button><Button type="submit">Go on</Button></Group>;
}
