import type { ReactNode } from "react";
import { Icon, type IconName } from "./Icon";
import classes from "./Notes.module.css";

/** Nothing there: what would be here, and how to begin. */
export function EmptyState({ icon = "info", title, children, action }: { icon?: IconName; title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className={classes.empty}>
      <span className={classes.emptyIcon}><Icon name={icon} size={26} /></span>
      <h2>{title}</h2>
      {children && <div className="dim small">{children}</div>}
      {action}
    </div>
  );
}
