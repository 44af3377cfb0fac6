import { Button } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Card } from "../../components/Page";
import { plural } from "../../lib/time";
import { accept } from "./actions";
import { asked } from "./questions";
import classes from "./monitors.module.css";

const SHOWN = 3;

/** Limits that history suggests, each with its reason; nothing is changed without somebody's yes. */
export function Proposals() {
  const cache = useQueryClient();
  const { data } = useQuery(asked.proposals());
  const [all, setAll] = useState(false);
  if (!data || data.proposals.length === 0) return null;
  const shown = all ? data.proposals : data.proposals.slice(0, SHOWN);
  return (
    <Card title={`History suggests ${plural(data.total, "limit")}`}>
      <ul className={classes.list} aria-label="Proposals">
        {shown.map((one) => (
          <li key={one.monitorId}>
            <span className={classes.text}><span className="strong">{one.monitorId}</span><span className="dim small"> {one.text}</span></span>
            <Button size="xs" variant="default" aria-label={`Accept ${one.limit} for ${one.monitorId}`} onClick={() => void accept(cache, one.monitorId, one.limit)}>Accept {one.limit}</Button>
          </li>
        ))}
      </ul>
      {data.proposals.length > SHOWN && <Button size="xs" variant="subtle" onClick={() => setAll(!all)}>{all ? "Fewer" : `${data.proposals.length - SHOWN} more`}</Button>}
    </Card>
  );
}
