import { Button, JsonInput, NumberInput, Select, Switch, TextInput } from "@mantine/core";
import { useMemo, useState } from "react";
import { fieldsOf, type ArgField } from "./args";

type Props = {
  /** The JSON schema of the arguments, where the type has one. */
  schema: unknown;
  /** The arguments as JSON text; empty for none. */
  text: string;
  onText: (text: string) => void;
  error?: string | undefined;
};

/** Arguments as a form where their schema is flat, and as JSON always; both are the same text. */
export function ArgsForm({ schema, text, onText, error }: Props) {
  const fields = useMemo(() => fieldsOf(schema), [schema]);
  const given = useMemo(() => read(text), [text]);
  const [asJson, setAsJson] = useState(false);
  if (fields.length === 0 || asJson || given === null) {
    return (
      <div className="stack">
        <JsonInput label="Arguments" description="A JSON object" placeholder="{}" autosize minRows={3} maxRows={16} formatOnBlur value={text} error={error ?? (given === null ? "this is not a JSON object" : undefined)} onChange={onText} classNames={{ input: "mono" }} />
        {fields.length > 0 && asJson && <div><Button size="compact-xs" variant="subtle" onClick={() => setAsJson(false)}>As a form</Button></div>}
      </div>
    );
  }
  const set = (name: string, value: unknown) => {
    const next = { ...given };
    if (value === undefined || value === "") delete next[name];
    else next[name] = value;
    onText(Object.keys(next).length ? JSON.stringify(next) : "");
  };
  return (
    <div className="stack">
      {error && <p role="alert" className="small" style={{ color: "var(--bad-fg)", margin: 0 }}>{error}</p>}
      {fields.map((field) => <Field key={field.name} field={field} value={given[field.name]} set={(value) => set(field.name, value)} />)}
      <div><Button size="compact-xs" variant="subtle" onClick={() => setAsJson(true)}>As JSON</Button></div>
    </div>
  );
}

function Field({ field, value, set }: { field: ArgField; value: unknown; set: (value: unknown) => void }) {
  const common = { label: field.title, description: field.description, withAsterisk: field.required };
  const hint = field.standard === undefined ? "" : JSON.stringify(field.standard);
  if (field.options) {
    return <Select {...common} data={field.options.map(String)} placeholder={hint} clearable={!field.required} value={value === undefined ? null : String(value)} onChange={(said) => set(field.options?.find((one) => String(one) === said))} />;
  }
  if (field.type === "boolean") return <Switch {...common} checked={Boolean(value ?? field.standard)} onChange={(event) => set(event.currentTarget.checked)} />;
  if (field.type === "string") return <TextInput {...common} placeholder={hint} value={typeof value === "string" ? value : ""} onChange={(event) => set(event.currentTarget.value)} />;
  return <NumberInput {...common} placeholder={hint} allowDecimal={field.type === "number"} value={typeof value === "number" ? value : ""} onChange={(said) => set(typeof said === "number" ? said : undefined)} />;
}

/** The arguments of a text, null when it is no JSON object. */
function read(text: string): Record<string, unknown> | null {
  if (!text.trim()) return {};
  try {
    const found: unknown = JSON.parse(text);
    return found !== null && typeof found === "object" && !Array.isArray(found) ? (found as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
