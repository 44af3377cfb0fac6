import { Fragment } from "react";
import { Time } from "./Time";

/** An instant as the service writes it into a sentence, with how long ago that was. */
const INSTANT = /(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)(?:, (?:\d+[a-z]+ ?)+ ago)?/g;

/** A sentence of the service, whose instants are told by the viewer's clock. */
export function Told({ text }: { text: string }) {
  const parts = text.split(INSTANT);
  return <bdi>{parts.map((part, index) => <Fragment key={index}>{index % 2 ? <><Time at={part} form="local" />, <Time at={part} /></> : part}</Fragment>)}</bdi>;
}
