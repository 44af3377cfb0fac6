import { Button, Group, SegmentedControl, Select, Stack, Text, TextInput } from "@mantine/core";
import { useState, type FormEvent } from "react";
import { answer, client } from "../../api/client";
import { CopyButton } from "../../components/CopyButton";
import { closeDialog, openDialog } from "../../components/dialog";
import { useFieldErrors } from "../../components/form";
import classes from "./NewToken.module.css";

const ROLES = { viewer: "Looks at everything that is not secret.", operator: "Also runs known types, retries, cancels, pauses, edits limits.", admin: "Also decides what is executed, and who comes in." } as const;
type Role = keyof typeof ROLES;
const ENDS = [{ value: "", label: "Never" }, { value: "1d", label: "In a day" }, { value: "30d", label: "In 30 days" }, { value: "90d", label: "In 90 days" }, { value: "365d", label: "In a year" }];

/** Ask for name, role and end of a new token, and show it this once. */
export function newToken(made: () => void): void {
  const id = openDialog({ title: <span className="strong">New token</span>, children: <Form made={made} close={() => closeDialog(id)} /> });
}

function Form({ made, close }: { made: () => void; close: () => void }) {
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [ends, setEnds] = useState("90d");
  const [token, setToken] = useState<string | null>(null);
  const form = useFieldErrors(["name", "role", "expiresIn"]);
  const send = async (event: FormEvent) => {
    event.preventDefault();
    const found = await form.send(() => answer(client.POST("/api/tokens", { body: { name: name.trim(), role, expiresIn: ends || null } })));
    if (found) { setToken(found.token); made(); }
  };
  if (token !== null) {
    return (
      <Stack gap="md">
        <Text size="sm">Copy it now: it is not shown again.</Text>
        <div className={classes.token}><code data-token>{token}</code><CopyButton text={token} label="Copy the token" /></div>
        <Group justify="flex-end"><Button onClick={close}>Done</Button></Group>
      </Stack>
    );
  }
  return (
    <form onSubmit={(event) => void send(event)}>
      <Stack gap="md">
        <TextInput label="Name" description="Who or what will use it." placeholder="web shop" required data-autofocus value={name} error={form.error("name")} onChange={(event) => setName(event.currentTarget.value)} />
        <div className="stack">
          <SegmentedControl aria-label="Role" fullWidth data={Object.keys(ROLES)} value={role} onChange={(value) => setRole(value as Role)} />
          <Text size="sm" c="dimmed">{ROLES[role]}</Text>
        </div>
        <Select label="Ends" data={ENDS} value={ends} allowDeselect={false} error={form.error("expiresIn")} onChange={(value) => setEnds(value ?? "")} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>Cancel</Button>
          <Button type="submit" loading={form.busy}>Make it</Button>
        </Group>
      </Stack>
    </form>
  );
}
