import { Checkbox, Skeleton } from "@mantine/core";
import { memo, useCallback, useRef, type KeyboardEvent, type MouseEvent, type ReactNode } from "react";
import classes from "./DataTable.module.css";

export type Column<T> = {
  key: string;
  title: string;
  cell: (row: T) => ReactNode;
  /** A CSS width; without one the column takes what is left. */
  width?: string;
  align?: "right";
  /** Left out on phones, where rows become cards; `title` heads the card. */
  phone?: "hide" | "title";
};

export type Selection = { ids: ReadonlySet<string>; set: (ids: ReadonlySet<string>) => void };

type Props<T> = {
  label: string;
  columns: readonly Column<T>[];
  rows: readonly T[] | undefined;
  rowId: (row: T) => string;
  selection?: Selection;
  /** Enter on a row, or a click beside its links and buttons. */
  onOpen?: (row: T) => void;
  /** What stands in place of no rows. */
  empty?: ReactNode;
  loadingRows?: number;
};

/**
 * A plain table that keeps still: rows are memoised and keyed by id, so that live updates touch only what changed,
 * and focus, selection and scroll stay. Keys on a row: arrows or j and k move, Space selects (with Shift a range), Enter opens.
 * `columns`, `rowId` and `onOpen` must be stable (module level, useMemo, useCallback).
 */
export function DataTable<T>({ label, columns, rows, rowId, selection, onOpen, empty, loadingRows = 8 }: Props<T>) {
  const body = useRef<HTMLTableSectionElement>(null);
  const anchor = useRef<string | null>(null);
  const now = useRef({ rows, selection, rowId });
  now.current = { rows, selection, rowId };

  const toggle = useCallback((id: string, range: boolean) => {
    const { rows: all = [], selection: chosen, rowId: idOf } = now.current;
    if (!chosen) return;
    const next = new Set(chosen.ids);
    const ids = (all as readonly T[]).map(idOf);
    const from = anchor.current === null ? -1 : ids.indexOf(anchor.current);
    const on = !next.has(id);
    const to = ids.indexOf(id);
    const span = range && from >= 0 ? ids.slice(Math.min(from, to), Math.max(from, to) + 1) : [id];
    for (const one of span) { if (on) next.add(one); else next.delete(one); }
    anchor.current = id;
    chosen.set(next);
  }, []);

  const move = useCallback((event: KeyboardEvent<HTMLTableRowElement>) => {
    if (event.target !== event.currentTarget) return;
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    if (!step && event.key !== "Home" && event.key !== "End") return;
    event.preventDefault();
    const all = [...(body.current?.rows ?? [])];
    const at = all.indexOf(event.currentTarget);
    const to = event.key === "Home" ? 0 : event.key === "End" ? all.length - 1 : at + (step ?? 0);
    all[to]?.focus();
  }, []);

  if (rows?.length === 0) return <>{empty}</>;
  const ids = rows?.map(rowId) ?? [];
  const chosen = selection ? ids.filter((id) => selection.ids.has(id)).length : 0;
  return (
    <div className={classes.frame}>
      <table className={classes.table} aria-label={label} aria-busy={!rows}>
        <thead>
          <tr>
            {selection && (
              <th className={classes.tick}>
                <Checkbox
                  size="xs" aria-label="Select all rows shown" checked={ids.length > 0 && chosen === ids.length} indeterminate={chosen > 0 && chosen < ids.length}
                  onChange={() => selection.set(new Set(chosen === ids.length ? [...selection.ids].filter((id) => !ids.includes(id)) : [...selection.ids, ...ids]))}
                />
              </th>
            )}
            {columns.map((one) => <th key={one.key} scope="col" style={{ width: one.width }} data-align={one.align}>{one.title || <span className="sr">Actions</span>}</th>)}
          </tr>
        </thead>
        <tbody ref={body}>
          {rows?.map((row, index) => {
            const id = ids[index] ?? "";
            return (
              <Row
                key={id} id={id} row={row} columns={columns as readonly Column<unknown>[]} selectable={!!selection} selected={selection?.ids.has(id) ?? false}
                toggle={toggle} move={move} onOpen={onOpen as ((row: unknown) => void) | undefined} first={index === 0}
              />
            );
          }) ?? Array.from({ length: loadingRows }, (_, index) => (
            <tr key={index}>
              {selection && <td className={classes.tick} />}
              {columns.map((one) => <td key={one.key}><Skeleton height={12} width={`${50 + ((index * 37 + one.key.length * 13) % 45)}%`} /></td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

type RowProps = {
  id: string; row: unknown; columns: readonly Column<unknown>[]; selectable: boolean; selected: boolean; first: boolean;
  toggle: (id: string, range: boolean) => void; move: (event: KeyboardEvent<HTMLTableRowElement>) => void; onOpen: ((row: unknown) => void) | undefined;
};

const Row = memo(function Row({ id, row, columns, selectable, selected, toggle, move, onOpen, first }: RowProps) {
  const onKey = (event: KeyboardEvent<HTMLTableRowElement>) => {
    if (event.target === event.currentTarget) {
      if (event.key === " " && selectable) { event.preventDefault(); toggle(id, event.shiftKey); return; }
      if (event.key === "Enter" && onOpen) { onOpen(row); return; }
    }
    move(event);
  };
  const onClick = (event: MouseEvent<HTMLTableRowElement>) => {
    const target = event.target as HTMLElement;
    if (!onOpen || target.closest("a, button, input, label, select, textarea") || getSelection()?.toString()) return;
    onOpen(row);
  };
  return (
    <tr data-id={id} data-selected={selected || undefined} data-open={!!onOpen || undefined} aria-selected={selectable ? selected : undefined} tabIndex={first ? 0 : -1} onKeyDown={onKey} onClick={onClick}>
      {selectable && (
        <td className={classes.tick}>
          <Checkbox size="xs" aria-label="Select row" checked={selected} onChange={(event) => toggle(id, (event.nativeEvent as unknown as { shiftKey?: boolean }).shiftKey ?? false)} />
        </td>
      )}
      {columns.map((one) => (
        <td key={one.key} data-align={one.align} data-phone={one.phone} data-title={one.title}>{one.cell(row)}</td>
      ))}
    </tr>
  );
});
