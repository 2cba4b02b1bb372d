import { useEffect, useState } from "react";
import type { Result } from "../api/client";
import type { Me, Tenant } from "../api/types";
import { useParts } from "../parts";
import { Card } from "./Card";
import { TroubleBanner } from "./TroubleBanner";

export function TenantsCard() {
  const { result, retry } = useMe();
  const tenants = result?.ok ? result.value.tenants : [];
  return (
    <Card title={tenants.length > 1 ? "Your tenants" : "Your tenant"}>
      <TenantsBody result={result} onRetry={retry} />
    </Card>
  );
}

/** `null` while the answer is on its way. */
function useMe() {
  const { session } = useParts();
  const [result, setResult] = useState<Result<Me> | null>(null);
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    const controller = new AbortController();
    void session.api.me(controller.signal).then((answer) => {
      if (!controller.signal.aborted) setResult(answer);
    });
    return () => controller.abort();
  }, [session, attempt]);
  const retry = () => {
    setResult(null);
    setAttempt(attempt + 1);
  };
  return { result, retry };
}

function TenantsBody({ result, onRetry }: { result: Result<Me> | null; onRetry: () => void }) {
  if (result === null) return <p className="card__note">Loading…</p>;
  if (!result.ok) {
    // A 401 is answered by the dialog over the whole page.
    return result.failure.kind === "trouble" ? <TroubleBanner trouble={result.failure} onRetry={onRetry} /> : null;
  }
  const { tenants } = result.value;
  if (tenants.length === 0) return <p className="card__note">You are not a member of any tenant yet.</p>;
  return (
    <ul className="tenants">
      {tenants.map((tenant) => (
        <TenantRow key={tenant.id} tenant={tenant} />
      ))}
    </ul>
  );
}

function TenantRow({ tenant }: { tenant: Tenant }) {
  return (
    <li className="tenant">
      <div className="tenant__text">
        <p className="tenant__name">{tenant.name}</p>
        <p className="card__note">{tenant.kind}</p>
      </div>
      <span className="badge">{tenant.role}</span>
    </li>
  );
}
