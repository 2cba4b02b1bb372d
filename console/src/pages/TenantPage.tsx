import type { ReactNode } from "react";
import type { Me } from "../api/types";
import { PageTitle } from "../components/PageTitle";
import { TenantChooser } from "../components/TenantChooser";
import { TroubleBanner } from "../components/TroubleBanner";
import type { Answer } from "../lists/useAnswer";
import { usePlace } from "../navigation/navigation";
import type { Scope } from "../scope";

interface TenantPageProps {
  readonly title: string;
  readonly me: Answer<Me>;
  readonly children: (scope: Scope) => ReactNode;
}

/** A page about the things of one tenant. */
export function TenantPage({ title, me: { result, retry }, children }: TenantPageProps) {
  const { tenantId } = usePlace();
  const scope = result?.ok ? scopeOf(result.value, tenantId) : null;
  return (
    <>
      <div className="page-head">
        <PageTitle title={title} />
        {result?.ok && scope && <TenantChooser tenants={result.value.tenants} chosen={scope.tenant} />}
      </div>
      {result?.ok === false && result.failure.kind === "trouble" && (
        <TroubleBanner trouble={result.failure} onRetry={retry} />
      )}
      {result === null && <p className="card__note">Loading…</p>}
      {result?.ok && scope === null && <p className="card__note">You are not a member of any tenant yet.</p>}
      {scope && children(scope)}
    </>
  );
}

/** The tenant of the address if the user is in it, else the personal one, else any. */
function scopeOf(me: Me, tenantId: string | null): Scope | null {
  const byId = (id: string | null) => me.tenants.find((tenant) => tenant.id === id);
  const tenant = byId(tenantId) ?? byId(me.personal_tenant_id) ?? me.tenants[0];
  return tenant === undefined ? null : { tenant, userId: me.id };
}
