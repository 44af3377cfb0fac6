import { ActionIcon, Button, Menu, TextInput } from "@mantine/core";
import { useEffect, useState, type ReactNode } from "react";
import { Icon } from "./Icon";
import { filtersText, parseFilters, type Filters } from "./filters";
import classes from "./FilterBar.module.css";

export type FilterField = {
  key: string;
  title: string;
  /** What can be chosen; a text is asked for where there are none. */
  options?: readonly { value: string; label: string }[];
};

type Props = {
  fields: readonly FilterField[];
  value: Filters;
  onChange: (filters: Filters) => void;
  placeholder?: string;
  children?: ReactNode;
};

/** Filters as text and as chips, both of the same; the page keeps them in its address (`useSearchParams`). */
export function FilterBar({ fields, value, onChange, placeholder = "status:failed type:mail since:1h", children }: Props) {
  const text = filtersText(value);
  const [draft, setDraft] = useState(text);
  useEffect(() => setDraft(text), [text]);
  const known = fields.map((field) => field.key);
  const commit = () => { if (draft !== text) onChange(parseFilters(draft, known)); };
  const without = (key: string): Filters => Object.fromEntries(Object.entries(value).filter(([one]) => one !== key));
  const titleOf = (key: string) => fields.find((field) => field.key === key)?.title ?? (key === "q" ? "Text" : key);
  const labelOf = (key: string, one: string) => fields.find((field) => field.key === key)?.options?.find((option) => option.value === one)?.label ?? one;
  const set = Object.entries(value).filter(([, one]) => one !== "");
  return (
    <div className={classes.bar}>
      <div className={classes.line}>
        <form className={classes.form} role="search" onSubmit={(event) => { event.preventDefault(); commit(); }}>
          <TextInput
            data-filter size="sm" aria-label="Filter" placeholder={placeholder} value={draft} spellCheck={false} autoComplete="off"
            leftSection={<Icon name="search" size={16} />} onChange={(event) => setDraft(event.currentTarget.value)} onBlur={commit}
            onKeyDown={(event) => { if (event.key === "Escape") { setDraft(text); event.currentTarget.blur(); } }}
          />
        </form>
        <Menu position="bottom-start" withinPortal>
          <Menu.Target><Button variant="default" leftSection={<Icon name="filter" size={15} />}>Filter</Button></Menu.Target>
          <Menu.Dropdown className={classes.menu}>
            {fields.filter((field) => field.options).map((field) => (
              <div key={field.key}>
                <Menu.Label>{field.title}</Menu.Label>
                {field.options?.map((option) => (
                  <Menu.Item key={option.value} onClick={() => onChange({ ...without(field.key), [field.key]: option.value })} rightSection={value[field.key] === option.value ? <Icon name="check" size={15} /> : null}>
                    {option.label}
                  </Menu.Item>
                ))}
              </div>
            ))}
            <Menu.Label>Or type: {known.map((key) => `${key}:`).join(" ")}</Menu.Label>
          </Menu.Dropdown>
        </Menu>
        {children}
      </div>
      {set.length > 0 && (
        <ul className={classes.chips} aria-label="Filters in use">
          {set.map(([key, one]) => (
            <li key={key} className={classes.chip}>
              <span className="dim">{titleOf(key)}</span> <b className="cut">{labelOf(key, one)}</b>
              <ActionIcon size="xs" variant="subtle" color="gray" aria-label={`Remove filter ${titleOf(key)}`} onClick={() => onChange(without(key))}><Icon name="cross" size={12} /></ActionIcon>
            </li>
          ))}
          <li><Button size="compact-xs" variant="subtle" onClick={() => onChange({})}>Clear all</Button></li>
        </ul>
      )}
    </div>
  );
}
