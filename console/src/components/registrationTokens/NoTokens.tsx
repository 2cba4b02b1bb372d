import { EmptyState } from "../EmptyState";
import { KeyPicture } from "../pictures";

/** `onCreate`: `null` for who may not make one. */
export function NoTokens({ onCreate }: { onCreate: (() => void) | null }) {
  return (
    <EmptyState title="No registration token yet" picture={<KeyPicture />}>
      <p>A registration token lets machines join this tenant without a password.</p>
      {onCreate === null ? (
        <p>Your role here does not make them. Ask an admin of the tenant.</p>
      ) : (
        <button type="button" className="button button--primary" onClick={onCreate}>
          Make the first one
        </button>
      )}
    </EmptyState>
  );
}
