import { Icon } from "../components/Icon";
import { useNow } from "../lib/now";
import { clockTime, durationText } from "../lib/time";
import { connection, useWatched } from "../live/state";
import classes from "./Shell.module.css";

/** Says that what is shown is old, while it is. */
export function Banner() {
  const { state, since } = useWatched(connection);
  const now = useNow();
  if (state !== "broken") return null;
  return (
    <div className={classes.banner} role="alert" data-connection="broken">
      <Icon name="warning" size={16} />
      <span><b>Connection lost.</b> What you see is from {clockTime(since)}{now - since > 2000 && `, ${durationText(Math.floor((now - since) / 1000) * 1000)} ago`}. Trying again by itself.</span>
    </div>
  );
}
