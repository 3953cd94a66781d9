//! A chart as a file: the picture as it looks now, or the numbers behind it.

use leptos::prelude::{document, window};
use leptos::wasm_bindgen::JsCast;
use shared::state::RunState;
use std::fmt::Write as _;
use wasm_bindgen::JsValue;
use wasm_bindgen::closure::Closure;
use web_sys::{
    CanvasRenderingContext2d, Element, HtmlAnchorElement, HtmlCanvasElement, HtmlImageElement, XmlSerializer,
};

/// Pixels of the PNG for each of the page's.
const PNG_SCALE: f64 = 2.0;

/// What the style sheet decides about a chart; in a file of its own it must say so itself.
const STYLES: [&str; 10] = [
    "fill",
    "fill-opacity",
    "stroke",
    "stroke-width",
    "stroke-opacity",
    "stroke-dasharray",
    "stroke-linejoin",
    "font-family",
    "font-size",
    "text-anchor",
];

/// Every point of the objective as CSV, none thinned out: RFC 4180, with a header.
pub fn csv(state: &RunState) -> String {
    let mut text = "stage,step,evaluations,elapsed_secs,ce_train,ce_validation\r\n".to_owned();
    for point in &state.curve {
        let title = state.stages.get(point.stage).map_or("", |stage| stage.plan.title.as_str());
        let validation = point.ce_validation.map(|ce| ce.to_string()).unwrap_or_default();
        let _ = write!(
            text,
            "\"{}\",{},{},{},{},{validation}\r\n",
            title.replace('"', "\"\""),
            point.step,
            point.evaluations,
            point.elapsed_secs,
            point.ce_train
        );
    }
    text
}

/// Lets the user keep a text as a file.
pub fn save_text(name: &str, media_type: &str, text: &str) -> Result<(), JsValue> {
    save(name, &data_url(media_type, text))
}

/// Lets the user keep the picture as SVG.
pub fn save_svg(name: &str, picture: &Element) -> Result<(), JsValue> {
    save(name, &data_url("image/svg+xml", &standalone(picture)?))
}

/// Lets the user keep the picture as PNG.
pub fn save_png(name: &'static str, picture: &Element) -> Result<(), JsValue> {
    let size = picture.get_bounding_client_rect();
    let (width, height) = (size.width(), size.height());
    let image = HtmlImageElement::new()?;
    let drawn = image.clone();
    let on_load = Closure::once_into_js(move || {
        let paint = || -> Result<(), JsValue> {
            let canvas: HtmlCanvasElement = document().create_element("canvas")?.dyn_into()?;
            canvas.set_width((width * PNG_SCALE) as u32);
            canvas.set_height((height * PNG_SCALE) as u32);
            let context = canvas.get_context("2d")?.ok_or("the browser draws no pictures")?;
            let context: CanvasRenderingContext2d = context.dyn_into()?;
            context.scale(PNG_SCALE, PNG_SCALE)?;
            context.draw_image_with_html_image_element(&drawn, 0.0, 0.0)?;
            save(name, &canvas.to_data_url()?)
        };
        if let Err(error) = paint() {
            leptos::logging::error!("the chart cannot be saved as PNG: {error:?}");
        }
    });
    image.set_onload(Some(on_load.unchecked_ref()));
    image.set_src(&data_url("image/svg+xml", &standalone(picture)?));
    Ok(())
}

fn data_url(media_type: &str, text: &str) -> String {
    format!("data:{media_type};charset=utf-8,{}", String::from(js_sys::encode_uri_component(text)))
}

fn save(name: &str, url: &str) -> Result<(), JsValue> {
    let link: HtmlAnchorElement = document().create_element("a")?.dyn_into()?;
    link.set_href(url);
    link.set_download(name);
    link.click();
    Ok(())
}

/// The picture with its looks written into it, on the page's ground.
fn standalone(picture: &Element) -> Result<String, JsValue> {
    let copy: Element = picture.clone_node_with_deep(true)?.dyn_into()?;
    let (originals, copies) = (picture.query_selector_all("*")?, copy.query_selector_all("*")?);
    for at in 0..originals.length() {
        let (Some(original), Some(copy)) = (originals.get(at), copies.get(at)) else { continue };
        let (original, copy): (Element, Element) = (original.dyn_into()?, copy.dyn_into()?);
        if let Some(style) = window().get_computed_style(&original)? {
            for name in STYLES {
                copy.set_attribute(name, &style.get_property_value(name)?)?;
            }
        }
    }
    let page = document().body().ok_or("no page")?;
    let ground = window().get_computed_style(&page)?;
    let ground = ground.map(|style| style.get_property_value("background-color")).transpose()?.unwrap_or_default();
    copy.set_attribute("xmlns", "http://www.w3.org/2000/svg")?;
    copy.set_attribute("style", &format!("background: {ground}"))?;
    XmlSerializer::new()?.serialize_to_string(&copy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::event::StagePlan;
    use shared::state::{CurvePoint, StageProgress, StageState};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn csv_has_every_point_and_quotes_titles() {
        let plan = StagePlan { kind: "x".to_owned(), title: "a \"b\", c".to_owned(), total_steps: 1 };
        let progress = StageProgress::Finished;
        let (clock, summary) = Default::default();
        let stage = StageState { plan, progress, step: 1, started_unix_ms: 0, finished_unix_ms: 0, summary, clock };
        let point =
            CurvePoint { stage: 0, step: 3, evaluations: 40, elapsed_secs: 1.5, ce_train: 1.25, ce_validation: None };
        let curve = vec![point, CurvePoint { ce_validation: Some(2.0), ..point }];
        let state = RunState { stages: vec![stage], curve, ..RunState::default() };
        let lines: Vec<String> = csv(&state).split_terminator("\r\n").map(str::to_owned).collect();
        assert_eq!(lines[1..], ["\"a \"\"b\"\", c\",3,40,1.5,1.25,", "\"a \"\"b\"\", c\",3,40,1.5,1.25,2"]);
        assert_eq!(lines[0].split(',').count(), 6);
    }
}
