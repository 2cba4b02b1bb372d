import type { Result } from "../api/client";
import type { Me, Tenant } from "../api/types";
import type { Answer } from "../lists/useAnswer";
import { Card } from "./Card";
import { TroubleBanner } from "./TroubleBanner";

export function TenantsCard({ me: { result, retry } }: { me: Answer<Me> }) {
  const tenants = result?.ok ? result.value.tenants : [];
  return (
    <Card title={tenants.length > 1 ? "Your tenants" : "Your tenant"}>
      <TenantsBody result={result} onRetry={retry} />
    </Card>
  );
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
