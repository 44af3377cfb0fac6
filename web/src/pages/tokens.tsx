import { ActionIcon, Button } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useMemo } from "react";
import { answer, client } from "../api/client";
import { keys } from "../api/keys";
import { useMe } from "../api/queries";
import type { TokenOut } from "../api/schema";
import { confirm } from "../components/Confirm";
import { DataTable, type Column } from "../components/DataTable";
import { EmptyState } from "../components/EmptyState";
import { ErrorNote } from "../components/ErrorNote";
import { Icon } from "../components/Icon";
import { Page } from "../components/Page";
import { StatusBadge } from "../components/StatusBadge";
import { Time } from "../components/Time";
import { toast, toastError } from "../components/toasts";
import { useOpened } from "../lib/opened";
import { newToken } from "./tokens/NewToken";

const COLUMNS: readonly Column<TokenOut>[] = [
  { key: "name", title: "Name", phone: "title", cell: (one) => one.name || <span className="dim">without a name</span> },
  { key: "role", title: "Role", width: "8rem", cell: (one) => one.role },
  { key: "state", title: "State", width: "9rem", cell: (one) => <StatusBadge {...stateOf(one)} /> },
  { key: "used", title: "Last used", width: "8rem", cell: (one) => <Time at={one.lastUsedAt} none="never" /> },
  { key: "expires", title: "Ends", width: "8rem", cell: (one) => <Time at={one.expiresAt} none="never" /> },
  { key: "created", title: "Made", cell: (one) => <><Time at={one.createdAt} />{one.createdBy && <span className="dim"> by {one.createdBy}</span>}</> },
];
const idOf = (one: TokenOut) => one.id;
const hasEnded = (one: TokenOut) => one.expiresAt !== null && Date.parse(one.expiresAt) < Date.now();

function stateOf(one: TokenOut): { status: string; label: string } {
  if (one.revokedAt) return { status: "stopped", label: "Revoked" };
  return hasEnded(one) ? { status: "stopped", label: "Expired" } : { status: "active", label: "Valid" };
}

/** Who may come in over the API, and with which role. */
export default function Tokens() {
  const { may } = useMe();
  const cache = useQueryClient();
  const { data, error, refetch } = useQuery({ queryKey: keys.tokens(), queryFn: ({ signal }) => answer(client.GET("/api/tokens", { params: { query: { limit: 200 } }, signal })), enabled: may("listTokens") });
  const changed = useCallback(() => { void cache.invalidateQueries({ queryKey: keys.tokens() }); }, [cache]);
  useOpened(may("createToken"), () => newToken(changed));
  const columns = useMemo(() => [...COLUMNS, { key: "act", title: "", width: "3.5rem", cell: (one: TokenOut) => !one.revokedAt && <ActionIcon variant="subtle" color="gray" aria-label={`Revoke ${one.name}`} onClick={() => void revoke(one, changed)}><Icon name="trash" size={16} /></ActionIcon> }], [changed]);
  return (
    <Page title="Tokens" lead="Who may come in over the API, and with which role" actions={may("createToken") && <Button leftSection={<Icon name="plus" size={16} />} onClick={() => newToken(changed)}>New token</Button>}>
      {error && <ErrorNote error={error} retry={() => void refetch()} />}
      {may("listTokens")
        ? <DataTable label="Tokens" columns={columns} rows={data?.tokens} rowId={idOf} empty={<EmptyState icon="tokens" title="No tokens yet">A token lets a program in, with a role of its own.</EmptyState>} />
        : <EmptyState icon="lock" title="Tokens are for admins">Ask one of them for a token with the role that you need.</EmptyState>}
    </Page>
  );
}

async function revoke(one: TokenOut, changed: () => void): Promise<void> {
  if (!(await confirm({ title: `Revoke ${one.name || "this token"}?`, verb: "Revoke", danger: true, children: "Who uses it is refused from now on, and the sessions that it opened end." }))) return;
  try {
    await answer(client.DELETE("/api/tokens/{id}", { params: { path: { id: one.id } } }));
    toast("Revoked");
    changed();
  } catch (error) { toastError(error); }
}
