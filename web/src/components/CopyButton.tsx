import { ActionIcon, Tooltip } from "@mantine/core";
import { useEffect, useState } from "react";
import { Icon } from "./Icon";

/** Copies a text; says so for two seconds. Also where the page is not served over https. */
export function CopyButton({ text, label = "Copy" }: { text: string; label?: string }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return undefined;
    const timer = setTimeout(() => setDone(false), 2000);
    return () => clearTimeout(timer);
  }, [done]);
  return (
    <Tooltip label={done ? "Copied" : label}>
      <ActionIcon variant="subtle" color="gray" size="sm" aria-label={done ? "Copied" : label} onClick={() => void copyText(text).then(setDone)}>
        <Icon name={done ? "check" : "copy"} size={15} />
      </ActionIcon>
    </Tooltip>
  );
}

export async function copyText(text: string): Promise<boolean> {
  if (navigator.clipboard) {
    try { await navigator.clipboard.writeText(text); return true; } catch { /* not allowed: the old way */ }
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.style.position = "fixed";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
