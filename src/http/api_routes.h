// Each protocol adds its paths to the table.
#pragma once

#include <functional>

#include "http/guard.h"
#include "http/routes.h"
#include "http/service.h"

namespace pgmmr {

using StopSign = std::function<bool()>;  // true once the server is being stopped

// /healthz, /readyz, /metrics, /openapi.json, /api/v1/service, /api/v1/session
void add_service_routes(Routes& routes, Service& service, const Guard& guard);
// /api/v1/search
void add_search_routes(Routes& routes, Service& service);
// /api/v1/collections and what lies below
void add_collection_routes(Routes& routes, Service& service);
// /v1/embeddings, /v1/models: OpenAI's, Infinity's, Jina's and vLLM's shapes
void add_embedding_routes(Routes& routes, Service& service);
// /config, /gradio_api/…: what Gradio's clients speak
void add_gradio_routes(Routes& routes, Service& service, const StopSign& stopping);
// /ping, /predict: what Immich asks of its machine learning container
void add_immich_routes(Routes& routes, Service& service);
// /knn-service, /indices-list, /metadata: clip-retrieval's back end
void add_knn_routes(Routes& routes, Service& service);
// /mcp: Model Context Protocol
void add_mcp_routes(Routes& routes, Service& service);
// / and the web page's files
void add_site_routes(Routes& routes, const Guard& guard);

}  // namespace pgmmr
