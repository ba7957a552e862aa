//! The published schemas, as a validator that nobody here wrote reads them.

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;
use std::path::Path;

/// A published schema.
pub struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Schema {
    /// The newest schema of a format: `plan`, `state`, `journal`, `events`, `status` or `check`.
    pub fn of(format: &str) -> Self {
        let file = root().join(format!("schemas/{format}.v1.schema.json"));
        let document: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        let id = document["$id"].as_str().unwrap();
        compiler.add_resource(id, document.clone()).unwrap();
        let index = compiler.compile(id, &mut schemas).unwrap();
        Self { schemas, index }
    }

    /// What it has against a document.
    pub fn against(&self, document: &Value) -> Option<String> {
        self.schemas.validate(document, self.index).err().map(|error| format!("{error:#}"))
    }

    pub fn takes(&self, document: &Value) -> bool {
        self.against(document).is_none()
    }

    #[track_caller]
    pub fn holds(&self, document: &Value) {
        if let Some(error) = self.against(document) {
            panic!("{error}\n{document:#}");
        }
    }
}

/// The lines of a file of JSON lines.
pub fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
