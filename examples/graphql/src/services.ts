export interface Env {
	PRODUCTS: string;
	REVIEWS: string;
	TIMEOUT_MS: number;
}

interface Product {
	id: string | number;
	name: string;
	price: number;
}

const MAX_FIRST = 50;
const MAX_QUESTIONS = 25; // below the limit of subrequests

/** What one query asks of the services; the same question is asked once. */
export class Services {
	private readonly asked = new Map<string, Promise<any>>();

	constructor(private readonly env: Env) {}

	root() {
		return {
			product: async ({ id }: { id: string }) => {
				if (!/^\d{1,12}$/.test(id)) return null;
				const product = await this.json<Product>(`${this.env.PRODUCTS}/products/${id}`);
				return product && this.product(product);
			},
			products: async ({ search, first }: { search: string; first: number }) => {
				const list = await this.json<Product[]>(`${this.env.PRODUCTS}/products?search=${encodeURIComponent(search ?? "")}`);
				return (list ?? []).slice(0, bound(first)).map((p) => this.product(p));
			},
		};
	}

	private product(product: Product) {
		return {
			...product,
			reviews: async ({ first }: { first: number }) => {
				const list = await this.json<{ stars: number; text: string; author: string }[]>(`${this.env.REVIEWS}/reviews?product=${encodeURIComponent(product.id)}`);
				return (list ?? []).slice(0, bound(first));
			},
		};
	}

	/** Null: there is no such thing. */
	private json<T>(url: string): Promise<T | null> {
		let answer = this.asked.get(url);
		if (answer === undefined) {
			answer = this.asked.size < MAX_QUESTIONS ? this.fetchJson(url) : Promise.reject(new Error(`more than ${MAX_QUESTIONS} questions to the services`));
			this.asked.set(url, answer);
		}
		return answer;
	}

	private async fetchJson(url: string): Promise<unknown> {
		const answer = await fetch(url, { headers: { accept: "application/json" }, signal: AbortSignal.timeout(this.env.TIMEOUT_MS) });
		if (answer.status === 404) return null;
		if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
		return answer.json();
	}
}

const bound = (first: number) => Math.min(MAX_FIRST, Math.max(0, first ?? 10));
