import { Suspense, use } from "react";

export interface Product {
	name: string;
	price: number;
	about: string;
}
export interface Review {
	by: string;
	stars: number;
	text: string;
}

export function Page({ product, reviews }: { product: Product; reviews: Promise<Review[]> }) {
	return (
		<html lang="en">
			<head>
				<meta charSet="utf-8" />
				<title>{product.name}</title>
			</head>
			<body>
				<h1>{product.name}</h1>
				<p>{product.about}</p>
				<p>{product.price.toFixed(2)} €</p>
				<h2>Reviews</h2>
				{/* The page goes out up to here; the reviews follow when they are there. */}
				<Suspense fallback={<p>Reviews are coming.</p>}>
					<Reviews reviews={reviews} />
				</Suspense>
			</body>
		</html>
	);
}

function Reviews({ reviews }: { reviews: Promise<Review[]> }) {
	const list = use(reviews);
	if (list.length === 0) return <p>Nobody has said anything yet.</p>;
	return (
		<ul>
			{list.map((r, i) => (
				<li key={i}>
					{"★".repeat(Math.min(5, Math.max(0, r.stars)))} {r.text} ({r.by})
				</li>
			))}
		</ul>
	);
}
