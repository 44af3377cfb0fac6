import { Button } from "@mantine/core";
import { useMemo, useState } from "react";
import { jsonText } from "../lib/exact";
import { CopyButton } from "./CopyButton";
import classes from "./Json.module.css";

const SHOWN = 20_000;
const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

type Props = { value?: unknown; text?: string; label?: string; maxHeight?: number };

/** JSON as it is, with every digit; `text` where the raw text is at hand. Very long ones are shown on request. */
export function Json({ value, text, label = "JSON", maxHeight = 420 }: Props) {
  const [whole, setWhole] = useState(false);
  const all = useMemo(() => text ?? jsonText(value), [text, value]);
  const shown = whole ? all : all.slice(0, SHOWN);
  const colored = useMemo(() => (shown.length > 4 * SHOWN ? shown : parts(shown)), [shown]);
  return (
    <div className={classes.json}>
      <div className={classes.copy}><CopyButton text={all} label={`Copy ${label}`} /></div>
      <pre tabIndex={0} aria-label={label} style={{ maxHeight }}>{colored}</pre>
      {shown.length < all.length && (
        <Button variant="subtle" size="xs" onClick={() => setWhole(true)}>Show all {Math.ceil(all.length / 1024)} KiB</Button>
      )}
    </div>
  );
}

function parts(text: string): React.ReactNode[] {
  const out: React.ReactNode[] = [];
  let from = 0;
  for (const found of text.matchAll(TOKEN)) {
    out.push(text.slice(from, found.index));
    from = found.index + found[0].length;
    const kind = found[2] ? classes.key : found[1] ? classes.text : found[3] ? classes.word : classes.number;
    out.push(<span key={found.index} className={kind}>{found[1] ?? found[0]}</span>);
    if (found[2]) out.push(found[2]);
  }
  out.push(text.slice(from));
  return out;
}
