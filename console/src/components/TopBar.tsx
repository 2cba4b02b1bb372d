import { pageOf, type PageName, type Place } from "../navigation/places";
import { Link } from "./Link";
import { Logo } from "./Logo";

interface TopBarProps {
  readonly place: Place;
  readonly onLogOut: () => void;
}

const PAGES: ReadonlyArray<readonly [PageName, string]> = [
  ["home", "Home"],
  ["devices", "Devices"],
  ["registration-tokens", "Registration tokens"],
];

export function TopBar({ place, onLogOut }: TopBarProps) {
  return (
    <header className="topbar">
      <p className="brand">
        <Logo />
        Doorward
      </p>
      <nav className="pages" aria-label="Pages">
        {PAGES.map(([page, name]) => (
          <Link key={page} to={pageOf(place, page)} className="pages__link" isCurrent={place.page === page}>
            {name}
          </Link>
        ))}
      </nav>
      <button type="button" className="button" onClick={onLogOut}>
        Log out
      </button>
    </header>
  );
}
