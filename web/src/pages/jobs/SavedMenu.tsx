import { Button, Group, Menu, Stack, TextInput } from "@mantine/core";
import { useState } from "react";
import { closeDialog, openDialog } from "../../components/dialog";
import { filtersText, type Filters } from "../../components/filters";
import { Icon } from "../../components/Icon";
import { toast } from "../../components/toasts";
import { parseSearch, stringifySearch } from "../../lib/search";
import { forget, save, useSaved } from "./saved";

/** Searches that are kept under names, and saving the one in use. */
export function SavedMenu({ filters, onChange }: { filters: Filters; onChange: (filters: Filters) => void }) {
  const all = useSaved();
  const search = stringifySearch(filters);
  const used = all.find((one) => one.search === search);
  if (all.length === 0 && !search) return null;
  const drop = (name: string) => {
    const one = all.find((each) => each.name === name);
    forget(name);
    if (one) toast(`${name} is no longer kept`, () => save(one));
  };
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target><Button variant="default" leftSection={<Icon name="save" size={15} />}>{used ? <span className="cut" style={{ maxWidth: "10rem" }}>{used.name}</span> : "Saved"}</Button></Menu.Target>
      <Menu.Dropdown style={{ maxWidth: "min(22rem, 92vw)" }}>
        {all.map((one) => (
          <Menu.Item key={one.name} onClick={() => onChange(parseSearch(one.search))} rightSection={one === used ? <Icon name="check" size={15} /> : null}>{one.name}</Menu.Item>
        ))}
        {all.length > 0 && <Menu.Divider />}
        {search && !used && <Menu.Item leftSection={<Icon name="plus" size={15} />} onClick={() => askName(filters, search)}>Save this search…</Menu.Item>}
        {used && <Menu.Item color="red" leftSection={<Icon name="trash" size={15} />} onClick={() => drop(used.name)}>Forget {used.name}</Menu.Item>}
        {!search && <Menu.Label>Filter first to save another</Menu.Label>}
      </Menu.Dropdown>
    </Menu>
  );
}

function askName(filters: Filters, search: string): void {
  const id = openDialog({ title: <span className="strong">Save this search</span>, children: <Form filters={filters} search={search} close={() => closeDialog(id)} /> });
}

function Form({ filters, search, close }: { filters: Filters; search: string; close: () => void }) {
  const [name, setName] = useState("");
  const submit = () => {
    if (!name.trim()) return;
    save({ name: name.trim(), search });
    toast(`${name.trim()} is kept in this browser`);
    close();
  };
  return (
    <form onSubmit={(event) => { event.preventDefault(); submit(); }}>
      <Stack gap="md">
        <TextInput label="Name" required maxLength={60} data-autofocus placeholder="Failed mails" description={<span className="mono">{filtersText(filters)}</span>} value={name} onChange={(event) => setName(event.currentTarget.value)} />
        <Group justify="flex-end" gap="xs"><Button variant="default" onClick={close}>Cancel</Button><Button type="submit">Save</Button></Group>
      </Stack>
    </form>
  );
}
