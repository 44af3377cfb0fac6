import { Button, Group, PasswordInput, Stack, TextInput } from "@mantine/core";
import { useState, type FormEvent } from "react";
import { answer, client } from "../../api/client";
import type { SecretOut } from "../../api/schema";
import { closeDialog, openDialog } from "../../components/dialog";
import { useFieldErrors } from "../../components/form";
import { toast } from "../../components/toasts";

/** Ask for a new secret, or the next value of one. */
export function setSecret(one: SecretOut | null, changed: () => void): void {
  const id = openDialog({ title: <span className="strong">{one ? `Change ${one.name}` : "New secret"}</span>, children: <Form one={one} changed={changed} close={() => closeDialog(id)} /> });
}

function Form({ one, changed, close }: { one: SecretOut | null; changed: () => void; close: () => void }) {
  const [name, setName] = useState(one?.name ?? "");
  const [value, setValue] = useState("");
  const [note, setNote] = useState(one?.note ?? "");
  const form = useFieldErrors(["name", "value", "note"]);
  const send = async (event: FormEvent) => {
    event.preventDefault();
    const body = { ...(value ? { value } : {}), note: note.trim() || null };
    const said = await form.send(() => answer(client.PUT("/api/secrets/{name}", { params: { path: { name: name.trim() } }, body })));
    if (said) { toast(`${said.name} is kept, version ${said.version}`); changed(); close(); }
  };
  return (
    <form autoComplete="off" onSubmit={(event) => void send(event)}>
      <Stack gap="md">
        {!one && <TextInput label="Name" placeholder="MAIL_TOKEN" required data-autofocus spellCheck={false} value={name} error={form.error("name")} onChange={(event) => setName(event.currentTarget.value)} />}
        <PasswordInput label="Value" description={one ? "Leave it empty to keep the value that it has." : "It is sealed at once and never shown again."} required={!one} data-autofocus={one ? true : undefined} autoComplete="new-password" value={value} error={form.error("value")} onChange={(event) => setValue(event.currentTarget.value)} />
        <TextInput label="Note" value={note} error={form.error("note")} onChange={(event) => setNote(event.currentTarget.value)} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>Cancel</Button>
          <Button type="submit" loading={form.busy}>Save</Button>
        </Group>
      </Stack>
    </form>
  );
}
