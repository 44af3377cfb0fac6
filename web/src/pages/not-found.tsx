import { Link } from "@tanstack/react-router";
import { EmptyState } from "../components/EmptyState";
import { Page } from "../components/Page";

export function NotFound() {
  return (
    <Page title="Not found">
      <EmptyState icon="search" title="There is no such page" action={<Link to="/">To the overview</Link>}>The address may be mistyped, or what it named was deleted.</EmptyState>
    </Page>
  );
}
