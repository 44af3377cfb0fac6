import { ActionIcon, Button, Menu } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useMemo } from "react";
import { answer, client } from "../api/client";
import { keys } from "../api/keys";
import { useMe } from "../api/queries";
import type { SecretOut } from "../api/schema";
import { confirm } from "../components/Confirm";
import { DataTable, type Column } from "../components/DataTable";
import { EmptyState } from "../components/EmptyState";
import { ErrorNote } from "../components/ErrorNote";
import { Icon } from "../components/Icon";
import { Card, Fact, Facts, Page } from "../components/Page";
import { StatusBadge } from "../components/StatusBadge";
import { Time } from "../components/Time";
import { toast, toastError } from "../components/toasts";
import { address } from "../lib/place";
import { plural } from "../lib/time";
import { useOpened } from "../lib/opened";
import { setSecret } from "./settings/SetSecret";

const COLUMNS: readonly Column<SecretOut>[] = [
  { key: "name", title: "Secret", phone: "title", cell: (one) => <code>{one.name}</code> },
  { key: "version", title: "Version", width: "6rem", align: "right", cell: (one) => one.version },
  { key: "state", title: "State", width: "9rem", cell: (one) => <StatusBadge {...(one.keyKnown ? { status: "active", label: "Readable" } : { status: "error", label: "Key is lost", title: `It was sealed with the key ${one.keyId}, which ROTA_SECRET_KEY does not hold` })} /> },
  { key: "used", title: "Last used", width: "8rem", cell: (one) => <Time at={one.usedAt} none="never" /> },
  { key: "updated", title: "Changed", width: "13rem", cell: (one) => <><Time at={one.updatedAt} />{one.updatedBy && <span className="dim"> by {one.updatedBy}</span>}</> },
  { key: "note", title: "Note", cell: (one) => one.note ?? <span className="dim">–</span> },
];
const idOf = (one: SecretOut) => one.name;

/** Who looks and what may be done; the named secrets, whose values are never shown. */
export default function Settings() {
  const { me, may } = useMe();
  const cache = useQueryClient();
  const { data, error, refetch } = useQuery({ queryKey: keys.secrets(), queryFn: ({ signal }) => answer(client.GET("/api/secrets", { params: { query: { limit: 200 } }, signal })), enabled: may("listSecrets") });
  const changed = useCallback(() => { void cache.invalidateQueries({ queryKey: keys.secrets() }); }, [cache]);
  useOpened(may("putSecret"), () => setSecret(null, changed));
  const columns = useMemo(() => [...COLUMNS, { key: "act", title: "", width: "3.5rem", cell: (one: SecretOut) => <Actions one={one} changed={changed} /> }], [changed]);
  return (
    <Page title="Settings" actions={may("putSecret") && (
      <>
        <Button variant="default" leftSection={<Icon name="retry" size={15} />} disabled={!data?.secrets.length} onClick={() => void rotate(changed)}>Seal anew</Button>
        <Button leftSection={<Icon name="plus" size={16} />} onClick={() => setSecret(null, changed)}>New secret</Button>
      </>
    )}>
      {error && <ErrorNote error={error} retry={() => void refetch()} />}
      <Card title="You">
        <Facts>
          <Fact name="Name">{me?.subject ?? "–"}</Fact>
          <Fact name="Role">{me?.role ?? "–"}</Fact>
          <Fact name="Came in by">{me?.source ?? "–"}</Fact>
          <Fact name="The API"><a href={address("/api/docs")}>Reference</a></Fact>
        </Facts>
      </Card>
      {may("listSecrets") && (
        <Card title="Named secrets" pad={false}>
          <DataTable label="Named secrets" columns={columns} rows={data?.secrets} rowId={idOf} empty={<EmptyState icon="lock" title="No secrets yet">Targets name them, <code>{"{{secret.NAME}}"}</code>; values are sealed in the database and never shown again.</EmptyState>} />
        </Card>
      )}
    </Page>
  );
}

function Actions({ one, changed }: { one: SecretOut; changed: () => void }) {
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target><ActionIcon variant="subtle" color="gray" aria-label={`Actions of ${one.name}`}><Icon name="more" /></ActionIcon></Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<Icon name="edit" size={15} />} onClick={() => setSecret(one, changed)}>Change…</Menu.Item>
        <Menu.Item leftSection={<Icon name="trash" size={15} />} color="red" onClick={() => void remove(one, changed)}>Delete…</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

async function remove(one: SecretOut, changed: () => void): Promise<void> {
  if (!(await confirm({ title: `Delete ${one.name}?`, verb: "Delete", danger: true, children: "Nothing may refer to it any more; its value is gone for good." }))) return;
  try { await answer(client.DELETE("/api/secrets/{name}", { params: { path: { name: one.name } } })); toast(`${one.name} is deleted`); changed(); } catch (error) { toastError(error); }
}

async function rotate(changed: () => void): Promise<void> {
  if (!(await confirm({ title: "Seal all secrets anew?", verb: "Seal anew", children: "They are encrypted with the first key of ROTA_SECRET_KEY; older keys can go afterwards." }))) return;
  try {
    let sealed = 0;
    for (;;) {
      const said = await answer(client.POST("/api/secrets/rotate"));
      sealed += said.rotated;
      if (said.unreadable.length) throw new Error(`${plural(said.unreadable.length, "secret")} cannot be read: ${said.unreadable.join(", ")}`);
      if (said.left === 0 || said.rotated === 0) break;
    }
    toast(`${plural(sealed, "secret")} sealed anew`);
    changed();
  } catch (error) { toastError(error); }
}
