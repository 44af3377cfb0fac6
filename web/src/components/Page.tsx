import { Link } from "@tanstack/react-router";
import { useEffect, type ReactNode } from "react";
import { parseSearch } from "../lib/search";
import { Icon } from "./Icon";
import classes from "./Page.module.css";

type Props = {
  title: string;
  /** What stands beside the title: a badge. */
  beside?: ReactNode;
  /** One line under the title. */
  lead?: ReactNode;
  actions?: ReactNode;
  /** Where it lies: `[["/jobs", "Jobs"]]`. */
  crumbs?: readonly (readonly [string, string])[];
  children: ReactNode;
};

/** The frame of every page: way there, title (also of the window), actions, content. */
export function Page({ title, beside, lead, actions, crumbs, children }: Props) {
  useEffect(() => { document.title = `${title} – Rota`; }, [title]);
  return (
    <>
      <header className={classes.head}>
        {crumbs && (
          <nav aria-label="Where this is" className={classes.crumbs}>
            {crumbs.map(([to, name]) => <span key={to}><Link to={to}>{name}</Link> <Icon name="right" size={12} /> </span>)}
          </nav>
        )}
        <div className={classes.line}>
          <h1 className={classes.title} tabIndex={-1}>{title}</h1>
          {beside}
          {actions && <div className={classes.actions}>{actions}</div>}
        </div>
        {lead && <div className="dim small">{lead}</div>}
      </header>
      <div className="stack">{children}</div>
    </>
  );
}

/** A card with a heading. */
export function Card({ title, actions, children, pad = true }: { title?: string; actions?: ReactNode; children: ReactNode; pad?: boolean }) {
  return (
    <section className={classes.card} data-pad={pad || undefined} aria-label={title}>
      {title && <header className={classes.cardHead}><h2>{title}</h2>{actions}</header>}
      {children}
    </section>
  );
}

/** A name and its value; in a `<Facts>`. */
export function Fact({ name, children }: { name: string; children: ReactNode }) {
  return <div><dt>{name}</dt><dd>{children}</dd></div>;
}
export const Facts = ({ children }: { children: ReactNode }) => <dl className={classes.facts}>{children}</dl>;

/** A number that matters, with its name. */
export function Figure({ name, children, tone, to }: { name: string; children: ReactNode; tone?: string; to?: string }) {
  const inside = <><span className={classes.figureName}>{name}</span><span className={classes.figureValue} style={tone ? { color: `var(--${tone}-fg)` } : undefined}>{children}</span></>;
  if (!to) return <div className={classes.figure}>{inside}</div>;
  const [path, query = ""] = to.split("?");
  return <Link to={path ?? to} search={parseSearch(query) as never} className={classes.figure}>{inside}</Link>;
}
