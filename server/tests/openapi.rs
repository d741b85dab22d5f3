//! The descriptions of both listeners: what they say is served, and what is committed is what they say.

use std::path::Path;

use serde_json::Value;

use super::world::World;

async fn served(world: &World, address: &str) -> Value {
    let url = format!("https://{address}/openapi.json");

    world
        .http
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

fn committed(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(name);
    let text = std::fs::read_to_string(&path).unwrap();

    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn what_is_committed_is_what_is_served() {
    let world = World::new().await;
    let public = world.server.addr().to_string();
    let admin = world.server.admin_addr().to_string();

    for (address, file, option) in [
        (public, "openapi.json", ""),
        (admin, "openapi-admin.json", " --admin"),
    ] {
        let served = served(&world, &address).await;
        assert!(
            served == committed(file),
            "run `blepay-server openapi{option} > docs/{file}`"
        );
    }
}

#[tokio::test]
async fn every_path_that_is_described_is_served_with_its_methods_alone() {
    let world = World::new().await;
    let token = std::fs::read_to_string(world.data.path().join("admin-token")).unwrap();
    for address in [
        world.server.addr().to_string(),
        world.server.admin_addr().to_string(),
    ] {
        let api = served(&world, &address).await;
        let paths = api["paths"].as_object().unwrap();
        assert!(paths.len() > 5);
        for (path, methods) in paths {
            let described = methods.as_object().unwrap();
            let path = path.replace("{client}", "x").replace("{ta}", "x");
            for method in ["get", "post", "put", "delete", "patch"] {
                let request = world
                    .http
                    .request(
                        method.to_uppercase().parse().unwrap(),
                        format!("https://{address}{path}"),
                    )
                    .bearer_auth(token.trim());
                let response = request.send().await.unwrap();
                let status = response.status().as_u16();
                let body: Value =
                    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default();
                if described.contains_key(method) {
                    assert_ne!(status, 405, "{method} {path}");
                    assert_ne!(body["message"], "there is nothing at this path", "{path}");
                    assert!(status < 500, "{method} {path}");
                } else {
                    assert_eq!(status, 405, "{method} {path}");
                }
            }
        }
    }
}
