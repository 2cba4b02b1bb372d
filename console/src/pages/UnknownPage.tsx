import { Link } from "../components/Link";
import { PageTitle } from "../components/PageTitle";
import { usePlace } from "../navigation/navigation";
import { pageOf } from "../navigation/places";

export function UnknownPage() {
  const place = usePlace();
  return (
    <div className="empty">
      <PageTitle title="There is no such page" />
      <p>The address may be mistyped, or from another version of the console.</p>
      <Link to={pageOf(place, "home")} className="button">
        Go home
      </Link>
    </div>
  );
}
