import { Logo } from "./Logo";

export function TopBar({ onLogOut }: { onLogOut: () => void }) {
  return (
    <header className="topbar">
      <p className="brand">
        <Logo />
        Doorward
      </p>
      <button type="button" className="button" onClick={onLogOut}>
        Log out
      </button>
    </header>
  );
}
