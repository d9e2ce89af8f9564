// Whether there is a service to ask, whether one may, and what it holds.
import type { Collection, Service } from './contract';
import { get_collections, get_service, ServiceError } from './service';

export type Phase = 'starting' | 'ready' | 'locked' | 'failed';

class Connection {
  phase = $state<Phase>('starting');
  service = $state.raw<Service | null>(null);
  collections = $state.raw<Collection[]>([]);

  // The one of this name; without a name the first.
  collection(name: string): Collection | undefined {
    return name ? this.collections.find((one) => one.name === name) : this.collections[0];
  }

  get takes_urls(): boolean {
    return this.service?.image_url ?? true;
  }

  // Ends ready or locked, or throws.
  async open(): Promise<void> {
    this.phase = 'starting';
    const [service, collections] = await Promise.all([
      get_service(),
      get_collections().catch((error: unknown) => {
        if (error instanceof ServiceError && error.problem.status === 401) return null;
        throw error;
      }),
    ]);
    this.service = service;
    if (!collections || (service.auth.required && !service.auth.authenticated)) {
      this.phase = 'locked';
      return;
    }
    this.collections = collections;
    this.phase = 'ready';
  }
}

export const connection = new Connection();
